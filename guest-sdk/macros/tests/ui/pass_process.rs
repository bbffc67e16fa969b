#![deny(warnings, missing_docs)]
//! The only kind of processes, with all that it may have.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_sdk::{
    prelude::*,
    process::{Down, Exit, Reason, Saved},
    test,
};

/// The state.
#[derive(Serialize, Deserialize)]
pub struct HiveKeeper {
    bees: u64,
}

/// What happened.
#[derive(Serialize, Deserialize)]
pub enum Event {
    /// So many came.
    Came(u64),
}

/// Public, as the type is.
#[skep::process(version = 2)]
impl HiveKeeper {
    fn init(ctx: &mut Ctx) -> Result<Self, std::num::ParseIntError> {
        let bees = ctx.name().unwrap_or("0").parse()?;
        Ok(HiveKeeper { bees })
    }

    fn call(&mut self, by: u64, ctx: &mut Ctx) -> Result<u64> {
        self.grow(by, ctx)?;
        Ok(self.bees)
    }

    fn cast(&mut self, ctx: &mut Ctx) -> Result<()> {
        ctx.send_after(Duration::from_secs(1), &7)?;
        Ok(())
    }

    fn info(&self) {}

    fn timer(&mut self, by: u64, ctx: &mut Ctx) -> Result<()> {
        self.grow(by, ctx)
    }

    fn published(&mut self, _: Message) {}

    fn down(&mut self, _: Down, _: &mut Ctx) {}

    fn exit(&mut self, _: Exit) -> Result<(), std::fmt::Error> {
        Ok(())
    }

    fn terminate(&mut self, _: &Reason) {}

    fn apply(&mut self, event: Event) {
        let Event::Came(by) = event;
        self.bees += by;
    }

    fn migrate(_: u32, old: Saved) -> Result<Self> {
        Ok(HiveKeeper { bees: old.read()? })
    }

    /// Any other function is the author's own.
    fn grow(&mut self, by: u64, ctx: &mut Ctx) -> Result<()> {
        ctx.append(self, Event::Came(by))
    }
}

/// Who asks is told what the process answers.
pub fn handler(Path(by): Path<u64>) -> Result<String> {
    let keeper = process::start_or_get::<HiveKeeper>("40", &())?;
    keeper.cast(&())?;
    Ok(keeper.call(&by)?.to_string())
}

fn main() {
    assert_eq!(test::get("/").capture("by", "2").send(handler).text(), "42");
    test::advance(Duration::from_secs(1));
    assert_eq!(test::process::<HiveKeeper>("40").state().bees, 49);
    assert_eq!(process::list("").next().unwrap().unwrap().kind, "hive-keeper");
    let old = test::sleeping::<HiveKeeper>("50", 1, &5);
    assert_eq!(old.call(&1).unwrap(), 6);
}
