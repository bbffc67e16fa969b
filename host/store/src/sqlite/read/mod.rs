//! Every read.

pub(super) mod due;
pub(super) mod items;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod overview;
pub(super) mod processes;
