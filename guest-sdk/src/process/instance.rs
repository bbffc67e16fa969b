//! What the exported functions do. An instance is one process; it is here, because they have no `self`.
#![allow(clippy::missing_errors_doc, reason = "they pass on what they are given")]

use std::cell::RefCell;

use super::{
    Process,
    export::{Live, begin, resume},
};
use crate::__private::bindings::processes::exports::skep::plugin::process_handler as wit;

thread_local! {
    static LIVE: RefCell<Option<Box<dyn Live>>> = const { RefCell::new(None) };
}

const NOBODY: &str = "no process has begun in this instance";

fn with<R>(run: impl FnOnce(&mut dyn Live) -> Result<R, String>) -> Result<R, String> {
    LIVE.with_borrow_mut(|live| run(live.as_deref_mut().ok_or(NOBODY)?))
}

/// `init`.
pub fn process_init<P: Process>(me: wit::Identity, args: &[u8]) -> Result<wit::Next, String> {
    let (live, next) = begin::<P>(me, args)?;
    LIVE.set(Some(live));
    Ok(next)
}

/// `load`.
pub fn process_load<P: Process>(me: wit::Identity, version: u32, state: Vec<u8>) -> Result<(), String> {
    LIVE.set(Some(resume::<P>(me, version, state)?));
    Ok(())
}

/// `replay`.
pub fn process_replay(events: &[Vec<u8>]) -> Result<(), String> {
    with(|live| live.replay(events))
}

/// `handle`.
#[must_use]
pub fn process_handle(event: wit::Event) -> wit::Next {
    with(|live| Ok(live.handle(event))).unwrap_or_else(|error| wit::Next::Reply(Err(error)))
}

/// `save`.
pub fn process_save() -> Result<Vec<u8>, String> {
    with(|live| live.save())
}

/// `terminate`. Without a process there is nothing to end.
pub fn process_terminate(reason: &str) {
    let _ = with(|live| {
        live.terminate(reason);
        Ok(())
    });
}
