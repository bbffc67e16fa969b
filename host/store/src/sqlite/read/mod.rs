//! Every read.

pub(super) mod items;
pub(super) mod jobs;
pub(super) mod overview;
