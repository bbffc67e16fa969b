//! What processes of all kinds do when it is said to them, be it in a call, a cast, an info or a timer.
//!
//! | said | does |
//! |---|---|
//! | `pid`, `name` | answers it |
//! | `sleep MS`, `compute ROUNDS` | takes its time |
//! | `elapsed` | answers the ms of the monotonic clock since this was first asked of the instance |
//! | `met` | answers how many messages said this to the instance, whichever processes had it |
//! | `spin`, `trap`, `panic`, `bomb`, `host_panic` | dies so |
//! | `error WHY` | returns an error |
//! | `big BYTES` | answers so much |
//! | `call TO TEXT`, `cast TO TEXT`, `send TO TEXT` | says the text to another, or to itself: `call pid:.. TEXT`; answers what that answered, or its error |
//! | `call_ms MS TO TEXT` | a call with a timeout |
//! | `end TO REASON` | stops another |
//! | `stop REASON`, `hibernate` | ends, sleeps |
//! | `after MS TEXT`, `every MS TEXT` | says the text to itself by a timer, whose number it answers |
//! | `cancel ID` | `true` or `false` |
//! | `monitor TO`, `demonitor ID` | answers the monitor's number |
//! | `link TO`, `unlink TO`, `trap_exits true` | |
//! | `subscribe TOPIC`, `unsubscribe TOPIC` | |
//! | `track TOPIC KEY`, `untrack TOPIC KEY` | a presence that lives with the process |
//! | `stage OPS` | operations in the commit of this message |
//! | `write KEY TEXT` | a commit of its own, which is not undone |
//!
//! What has no answer of its own answers `ok`.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use skep_sdk::{
    prelude::*,
    process::{self, CallError, Monitor, Process, Timer},
};

use crate::{
    commit,
    counter::Counter,
    text::{first, number, shown, target, two},
};

static MET: AtomicU64 = AtomicU64::new(0);

/// Does it; none if it is nothing that all kinds know.
pub(crate) fn act<P: Process<Timer = String>>(said: &str, ctx: &mut Ctx<P>) -> Result<Option<String>> {
    let (verb, rest) = first(said);
    let ok = "ok".to_owned();
    Ok(Some(match verb {
        "pid" => ctx.pid().to_string(),
        "name" => ctx.name().unwrap_or("none").to_owned(),
        "error" => return Err(rest.to_owned().into()),
        "big" => "x".repeat(rest.parse()?),
        "call" | "call_ms" | "cast" | "send" | "end" => talk(verb, rest)?,
        "stop" => {
            ctx.stop(rest);
            ok
        }
        "hibernate" => {
            ctx.hibernate();
            ok
        }
        "after" | "every" => {
            let (ms, text) = two(rest)?;
            let (time, text) = (Duration::from_millis(ms.parse()?), text.to_owned());
            let timer = if verb == "after" { ctx.send_after(time, &text) } else { ctx.send_every(time, &text) };
            timer?.0.to_string()
        }
        "cancel" => ctx.cancel(Timer(rest.parse()?))?.to_string(),
        "monitor" => ctx.monitor(target(rest))?.0.to_string(),
        "demonitor" => {
            ctx.demonitor(Monitor(rest.parse()?))?;
            ok
        }
        "link" | "unlink" => {
            let to = target(rest);
            if verb == "link" {
                ctx.link(to)?
            } else {
                ctx.unlink(to)?
            }
            ok
        }
        "trap_exits" => {
            ctx.trap_exits(rest.parse()?)?;
            ok
        }
        "subscribe" | "unsubscribe" => {
            if verb == "subscribe" {
                ctx.subscribe(rest)?
            } else {
                ctx.unsubscribe(rest)?
            }
            ok
        }
        "track" => {
            let (topic, key) = two(rest)?;
            ctx.track(topic, key, &json!({}))?
        }
        "untrack" => {
            let (topic, key) = two(rest)?;
            presence::untrack(&ctx.owner(), topic, key)?.to_string()
        }
        "stage" => {
            commit::fill(ctx.atomic(), rest)?.stage()?;
            ok
        }
        "write" => {
            let (key, text) = two(rest)?;
            store::set_bytes(key, text)?;
            ok
        }
        "met" => (MET.fetch_add(1, Ordering::Relaxed) + 1).to_string(),
        "elapsed" => elapsed().as_millis().to_string(),
        _ => return die(verb, rest),
    }))
}

fn talk(verb: &str, rest: &str) -> Result<String> {
    let (timeout, rest) = if verb == "call_ms" { two(rest)? } else { ("5000", rest) };
    let (to, text) = two(rest)?;
    let to = process::handle::<Counter>(target(to)).timeout(Duration::from_millis(timeout.parse()?));
    let text = text.to_owned();
    let answer = match verb {
        "cast" => to.cast(&text).map(|()| "ok".to_owned()),
        "send" => to.send(&text).map(|()| "ok".to_owned()),
        "end" => to.stop(text).map(|()| "ok".to_owned()),
        _ => to.call(&text),
    };
    // It lives on: an error is an answer like any other.
    Ok(answer.unwrap_or_else(|error: CallError| shown(&error)))
}

fn die(verb: &str, rest: &str) -> Result<Option<String>> {
    match verb {
        "sleep" => wait(number(rest)?),
        "compute" => hostile_common::rounds(number(rest)?),
        "spin" => hostile_common::spin(),
        "trap" => hostile_common::trap(),
        "panic" => hostile_common::panic(),
        "bomb" => hostile_common::bomb(),
        "host_panic" => hostile_common::host_panic(),
        _ => return Ok(None),
    }
    Ok(Some("ok".to_owned()))
}

#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
fn wait(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[allow(clippy::disallowed_methods, reason = "the host's clock is what is looked at")]
fn elapsed() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// What a kind says to words that it does not know.
pub(crate) fn unknown<T>(said: &str) -> Result<T> {
    Err(format!("nothing is known of `{said}`").into())
}
