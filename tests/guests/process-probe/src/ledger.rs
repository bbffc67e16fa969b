//! A sum that follows from what was booked: an event log.
//!
//! | said | does |
//! |---|---|
//! | `get` | answers `SUM ENTRIES` |
//! | `add N` | books it, answers the same |
//! | `add_many N COUNT` | books it so often, in one message |
//! | `add_big N BYTES` | books it with a note of that length |
//! | `lie N` | changes the sum without an event: gone after a replay |
//!
//! and all of `act.rs`.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{
    act::{act, unknown},
    text::{Begin, first, number, two},
};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ledger {
    sum: u64,
    entries: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    Booked {
        by: u64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
}

fn booked(by: u64) -> Event {
    Event::Booked { by, note: String::new() }
}

#[skep::process(part)]
impl Ledger {
    fn init(begin: Begin, ctx: &mut Ctx) -> Result<Self> {
        let mut ledger = Ledger { sum: begin.from, entries: 0 };
        if !begin.say.is_empty() {
            ledger.said(&begin.say, ctx)?;
        }
        Ok(ledger)
    }

    fn call(&mut self, said: String, ctx: &mut Ctx) -> Result<String> {
        self.said(&said, ctx)
    }

    fn cast(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        self.said(&said, ctx).map(drop)
    }

    fn info(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        self.said(&said, ctx).map(drop)
    }

    fn timer(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        self.said(&said, ctx).map(drop)
    }

    fn apply(&mut self, event: Event) {
        let Event::Booked { by, .. } = event;
        self.sum += by;
        self.entries += 1;
    }

    fn said(&mut self, said: &str, ctx: &mut Ctx) -> Result<String> {
        let (verb, rest) = first(said);
        match verb {
            "get" => {}
            "add" => ctx.append(self, booked(number(rest)?))?,
            "add_many" => {
                let (by, count) = two(rest)?;
                for _ in 0..number(count)? {
                    ctx.append(self, booked(number(by)?))?;
                }
            }
            "add_big" => {
                let (by, bytes) = two(rest)?;
                ctx.append(self, Event::Booked { by: number(by)?, note: "x".repeat(bytes.parse()?) })?;
            }
            "lie" => self.sum += number(rest)?,
            _ => return act(said, ctx)?.map_or_else(|| unknown(said), Ok),
        }
        Ok(format!("{} {}", self.sum, self.entries))
    }
}
