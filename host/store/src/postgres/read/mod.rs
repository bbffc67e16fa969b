//! Every read.

pub(super) mod items;
