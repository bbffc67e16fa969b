//! A number whose place in the state changes with the revision: `v2` keeps it in another shape, and the other features end
//! the reading of the first one.
//!
//! | said | does |
//! |---|---|
//! | `get` | answers `v1 COUNT`, or `v2 COUNT` |
//! | `add N` | adds, answers the same |
//!
//! and all of `act.rs`.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{
    act::{act, unknown},
    text::{Begin, first, number},
};

#[cfg(not(feature = "v2"))]
pub(crate) use first_version::Loader;
#[cfg(feature = "v2")]
pub(crate) use second_version::Loader;

/// What both do.
trait Counts {
    const SHAPE: &'static str;

    fn count(&mut self) -> &mut u64;

    fn said<P: process::Process<Timer = String>>(&mut self, said: &str, ctx: &mut Ctx<P>) -> Result<String> {
        let (verb, rest) = first(said);
        match verb {
            "get" => {}
            "add" => *self.count() += number(rest)?,
            _ => return act(said, ctx)?.map_or_else(|| unknown(said), Ok),
        }
        Ok(format!("{} {}", Self::SHAPE, self.count()))
    }
}

#[cfg(not(feature = "v2"))]
mod first_version {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Loader {
        count: u64,
    }

    impl Counts for Loader {
        const SHAPE: &'static str = "v1";

        fn count(&mut self) -> &mut u64 {
            &mut self.count
        }
    }

    #[skep::process(part)]
    impl Loader {
        fn init(begin: Begin) -> Self {
            Loader { count: begin.from }
        }

        fn call(&mut self, said: String, ctx: &mut Ctx) -> Result<String> {
            self.said(&said, ctx)
        }

        fn cast(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
            self.said(&said, ctx).map(drop)
        }

        fn timer(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
            self.said(&said, ctx).map(drop)
        }
    }
}

#[cfg(feature = "v2")]
mod second_version {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Loader {
        total: Total,
        migrated: bool,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Total {
        count: u64,
    }

    /// As version 1 saved it.
    #[derive(Debug, Deserialize)]
    struct Old {
        count: u64,
    }

    impl Counts for Loader {
        const SHAPE: &'static str = "v2";

        fn count(&mut self) -> &mut u64 {
            &mut self.total.count
        }
    }

    #[skep::process(part, version = 2)]
    impl Loader {
        fn init(begin: Begin) -> Self {
            Loader { total: Total { count: begin.from }, migrated: false }
        }

        fn call(&mut self, said: String, ctx: &mut Ctx) -> Result<String> {
            self.said(&said, ctx)
        }

        fn cast(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
            self.said(&said, ctx).map(drop)
        }

        fn timer(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
            self.said(&said, ctx).map(drop)
        }

        fn migrate(version: u32, old: Old) -> Result<Self> {
            match env!("CARGO_PKG_NAME") {
                "process-probe-v2-traps" => hostile_common::trap(),
                "process-probe-v2-loops" => hostile_common::spin(),
                "process-probe-v2-garbage" => {
                    return Err(format!("\u{1b}[31m\r\n\0 version {version} {}", "\u{fffd}".repeat(1 << 20)).into());
                }
                _ => {}
            }
            Ok(Loader { total: Total { count: old.count }, migrated: true })
        }
    }
}
