//! Every read.
//!
//! | module | holds |
//! |---|---|
//! | `items` | key-value data |
//! | `jobs` | jobs, for operators and for whoever waits for one |
//! | `overview` | queues: how many jobs they have, and what operators said of them |
//! | `plugins` | schedules, and what each plugin uses |
//! | `processes` | processes and their events |
//! | `mail` | mail of a process |
//! | `due` | whoever has timers or mail that are due |

pub(super) mod due;
pub(super) mod items;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod overview;
pub(super) mod plugins;
pub(super) mod processes;
