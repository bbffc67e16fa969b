//! Commits as they are written: operations, split at `;`.
//!
//! `check KEY VERSION`, `absent KEY`, `set KEY TEXT`, `sum KEY BY`, `enqueue TO TEXT` (the job `tell`), `publish TOPIC TEXT`,
//! `send TO TEXT`, `send_in MS TO TEXT`.

use std::time::Duration;

use skep_sdk::{prelude::*, store::Atomic};

use crate::{
    counter::Counter,
    tell,
    text::{target, two},
};

pub(crate) fn fill<M>(commit: Atomic<M>, ops: &str) -> Result<Atomic<M>> {
    ops.split(';').map(str::trim).filter(|op| !op.is_empty()).try_fold(commit, add)
}

fn add<M>(commit: Atomic<M>, op: &str) -> Result<Atomic<M>> {
    let (verb, rest) = two(op)?;
    if verb == "absent" {
        return Ok(commit.check_absent(rest));
    }
    let (first, rest) = two(rest)?;
    Ok(match verb {
        "check" => commit.check_version(first, rest.parse()?),
        "set" => commit.set_bytes(first, rest),
        "sum" => commit.sum(first, rest.parse()?),
        "enqueue" => commit.enqueue(tell::job(&format!("{first} {rest}"))),
        "publish" => commit.publish_bytes(first, None, rest),
        "send" => commit.send::<Counter>(target(first), &rest.to_owned()),
        "send_in" => {
            let (to, text) = two(rest)?;
            commit.send_in::<Counter>(target(to), Duration::from_millis(first.parse()?), &text.to_owned())
        }
        _ => return Err(format!("there is no operation `{verb}`").into()),
    })
}
