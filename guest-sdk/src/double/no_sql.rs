//! `skep:plugin/sql` in native tests of those who have not asked for it: nothing can be opened, and so nothing can be used.

pub(crate) use crate::__private::bindings::imports::skep::plugin::sql::{
    Column, Constraint, Dialect, Isolation, Page, Refusal, Value, Violation,
};
use crate::__private::bindings::imports::skep::plugin::types::Error;

const HOW: &str = "native tests with SQL need an SQLite: write `skep-sdk = { …, features = [\"test-sql\"] }` under \
                   `[dev-dependencies]`";

pub(crate) enum Database {}
pub(crate) enum Transaction {}
pub(crate) enum Cursor {}

pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    pub(crate) first: Page,
    pub(crate) rest: Option<Cursor>,
}

pub(crate) fn open(_: &str) -> Result<Database, Error> {
    Err(Error::Unavailable(HOW.to_owned()))
}

impl Database {
    pub(crate) fn dialect(&self) -> Dialect {
        match *self {}
    }

    pub(crate) fn query(&self, _: &str, _: &[Value], _: u32) -> Result<Answer, Refusal> {
        match *self {}
    }

    pub(crate) fn execute(&self, _: &str, _: &[Value]) -> Result<u64, Refusal> {
        match *self {}
    }

    pub(crate) fn begin(&self, _: bool, _: Isolation) -> Result<Transaction, Error> {
        match *self {}
    }
}

impl Transaction {
    pub(crate) fn query(&self, _: &str, _: &[Value], _: u32) -> Result<Answer, Refusal> {
        match *self {}
    }

    pub(crate) fn execute(&self, _: &str, _: &[Value]) -> Result<u64, Refusal> {
        match *self {}
    }

    pub(crate) fn commit(&self) -> Result<(), Refusal> {
        match *self {}
    }
}

impl Cursor {
    pub(crate) fn next(&self, _: u32) -> Result<Page, Error> {
        match *self {}
    }
}

/// What the manifest would say of a database.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) read_only: bool,
    pub(crate) denied: bool,
    pub(crate) failing: Option<Error>,
}

#[allow(clippy::panic, reason = "a test that cannot be run fails by a panic, at its own line")]
#[track_caller]
pub(crate) fn configure(_: &str, _: impl FnOnce(&mut Rules)) {
    panic!("{HOW}");
}

#[allow(clippy::panic, reason = "a test that cannot be run fails by a panic, at its own line")]
#[track_caller]
pub(crate) fn run(_: &str, _: &str) -> Result<(), String> {
    panic!("{HOW}");
}
