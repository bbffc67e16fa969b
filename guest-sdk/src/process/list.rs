//! Looking for processes.

use super::{Pid, Target, host};
use crate::{
    Error, Result,
    capability::refused,
    pages::{PAGE_ITEMS, Pages},
};

/// Who has a name, of this plugin or as `("shop", "cart:42")` of another; `None` if nobody has. A pid stays as it is.
///
/// # Errors
/// When the host refuses.
pub fn whereis(name: impl Into<Target>) -> Result<Option<Pid>> {
    let target = name.into();
    match &target {
        Target::Pid(pid) => Ok(Some(pid.clone())),
        Target::Name { plugin, name } => match host::whereis(plugin.as_deref(), name) {
            Ok(pid) => Ok(pid.map(Pid::new)),
            Err(error) => Err(refused(error, format!("looking for the process `{target}`"))),
        },
    }
}

/// The plugin's own processes whose names begin so, in the order of the names' bytes, fetched page by page as they are asked
/// for.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::prelude::*;
/// # #[derive(Serialize, Deserialize)] struct Counter(u64);
/// # #[skep::process]
/// # impl Counter { fn init(from: u64) -> Self { Counter(from) } }
/// # process::start::<Counter>("hive:7", &5)?;
/// for listed in process::list("hive:") {
///     let listed = listed?;
///     println!("{}: {} of the kind {}", listed.name, listed.pid, listed.kind);
/// }
/// # assert_eq!(process::list("").count(), 1);
/// # Ok::<_, Error>(())
/// ```
pub fn list(prefix: impl Into<String>) -> Processes {
    Processes { prefix: prefix.into(), pages: Pages::new() }
}

/// A part of the list, at most `limit` and 1,000 processes (0: 1,000).
///
/// # Errors
/// When the host refuses.
pub fn page(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page> {
    let page = host::list(prefix, cursor, limit);
    let page = page.map_err(|error| refused(error, format!("listing the processes `{prefix}*`")))?;
    let new = |host::Listed { name, pid, kind }| Listed { name, pid: Pid::new(pid), kind };
    Ok(Page { processes: page.processes.into_iter().map(new).collect(), cursor: page.cursor })
}

/// A process with a name, from [`list`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its pid.
    pub pid: Pid,
    /// Which of the plugin's kinds it is.
    pub kind: String,
}

/// A part of a list, from [`page`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// In the order of their names.
    pub processes: Vec<Listed>,
    /// Where the next page begins. `None`: this is the last one.
    pub cursor: Option<String>,
}

/// Processes in the order of their names, from [`list`]. It ends after an error.
#[derive(Debug)]
#[must_use = "processes are fetched as they are asked for"]
pub struct Processes {
    prefix: String,
    pages: Pages<Listed>,
}

impl Iterator for Processes {
    type Item = Result<Listed>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { prefix, pages } = self;
        pages.next(|cursor| page(prefix, cursor, PAGE_ITEMS).map(|page| (page.processes, page.cursor)))
    }
}

/// The pid of the process that calls this, wherever in it; [`Ctx::pid`](super::Ctx::pid) is at hand in its functions.
///
/// # Errors
/// [`Invalid`](crate::CapabilityError::Invalid) where no process runs.
pub fn current() -> Result<Pid, Error> {
    host::self_().map(Pid::new).map_err(|error| refused(error, "asking which process this is".to_owned()))
}
