//! `skep:plugin/tasks` with the functions that wit-bindgen generates. Tasks run at once, in the thread of the test.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::WORLD;
pub(crate) use crate::__private::bindings::imports::skep::plugin::tasks::{Failure, Finished, Order};
use crate::{__private::bindings::imports::skep::plugin::types::Error, task};

type Run = fn(&[u8]) -> Result<Vec<u8>, String>;

#[derive(Default)]
pub(crate) struct Tasks {
    known: BTreeMap<&'static str, Run>,
    started: Vec<String>,
}

/// What the plugin's export would tell the host.
pub(crate) fn register<T: task::Task>() {
    WORLD.with_borrow_mut(|world| world.tasks.known.insert(T::NAME, task::export::run::<T>));
}

/// The names of what was started, the first one first.
pub(crate) fn started() -> Vec<String> {
    WORLD.with_borrow(|world| world.tasks.started.clone())
}

fn known(name: &str) -> Result<Run, Error> {
    WORLD.with_borrow(|world| world.tasks.known.get(name).copied()).ok_or(Error::NotFound)
}

pub(crate) fn start(name: &str, args: &[u8]) -> Result<(), Error> {
    let run = known(name)?;
    WORLD.with_borrow_mut(|world| world.tasks.started.push(name.to_owned()));
    // As in the host's log.
    if let Err(error) = run(args) {
        eprintln!("the task `{name}` failed: {error}");
    }
    Ok(())
}

pub(crate) fn map_all(name: &str, args: &[Vec<u8>], _concurrency: u32, order: Order) -> Result<Running, Error> {
    let run = known(name)?;
    let mut left: Vec<_> = (0_u32..).zip(args.iter().cloned()).collect();
    // From the end: what relies on the order shows.
    if order == Order::Ordered {
        left.reverse();
    }
    Ok(Running { run, left })
}

/// Each task runs when its result is asked for.
pub(crate) struct Running {
    run: Run,
    left: Vec<(u32, Vec<u8>)>,
}

impl Running {
    pub(crate) fn next(&mut self) -> Option<Finished> {
        let (index, args) = self.left.pop()?;
        let outcome = match catch_unwind(AssertUnwindSafe(|| (self.run)(&args))) {
            Ok(outcome) => outcome.map_err(Failure::Failed),
            Err(panic) => Err(Failure::Crashed(text(&*panic).to_owned())),
        };
        Some(Finished { index, outcome })
    }
}

/// What a panic says.
pub(super) fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("left", &self.left.len()).finish()
    }
}
