//! Commits as the query says.

use std::time::Duration;

use hostile_common::Query;
use skep_sdk::{
    jobs::Unique,
    prelude::*,
    store::{Atomic, CommitError, Committed, Key},
};

pub(crate) fn answer(route: &str, query: &Query) -> Result<Response> {
    let mut ops = query.get("ops").unwrap_or_default().split(';').map(str::trim).filter(|op| !op.is_empty());
    let committed = ops.try_fold(store::atomic(), add)?.commit();
    if route == "commit-hold" {
        match query.get("end").unwrap_or("return") {
            "trap" => hostile_common::trap(),
            "panic" => hostile_common::panic(),
            "spin" => hostile_common::spin(),
            _ => {}
        }
    }
    Ok(match committed {
        Ok(committed) => shown(&committed).into_response(),
        Err(CommitError::Conflict(key)) => (StatusCode::CONFLICT, format!("Conflict {key}")).into_response(),
        Err(CommitError::Duplicate(place)) => (StatusCode::CONFLICT, format!("Duplicate {place}")).into_response(),
        Err(CommitError::OutcomeUnknown) => (StatusCode::CONFLICT, "OutcomeUnknown").into_response(),
        Err(error) => return Err(error.into()),
    })
}

fn add(commit: Atomic, op: &str) -> Result<Atomic> {
    let (verb, rest) = op.split_once(' ').context(format!("reading the operation `{op}`"))?;
    let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let at = key(first);
    Ok(match verb {
        "check" => commit.check_version(at, rest.parse()?),
        "absent" => commit.check_absent(at),
        "set" => commit.set_bytes(at, rest),
        "set_for" => {
            let (ms, text) = rest.split_once(' ').context("reading a time")?;
            commit.set_bytes_for(at, text, Duration::from_millis(ms.parse()?))
        }
        "big" => commit.set_bytes(at, vec![b'x'; rest.parse()?]),
        "delete" => commit.delete(at),
        "sum" => commit.sum(at, rest.parse()?),
        "enqueue" => commit.enqueue(jobs::job(first, rest)),
        "unique" => commit.enqueue(jobs::job(first, rest).unique(Unique::by_args().or_refuse())),
        "publish" => commit.publish_bytes(first, None, rest),
        "event" => {
            let (event, text) = rest.split_once(' ').context("reading an event")?;
            commit.publish_bytes(first, Some(event), text)
        }
        _ => return Err(format!("there is no operation `{verb}`").into()),
    })
}

/// `SPACE/KEY`, or a key of one's own.
fn key(text: &str) -> Key {
    match text.split_once('/') {
        Some((space, key)) => store::space(space).key(key),
        None => text.into(),
    }
}

fn shown(committed: &Committed) -> String {
    let list = |texts: Vec<String>| texts.join(",");
    let sums = list(committed.sums.iter().map(ToString::to_string).collect());
    let jobs = list(committed.jobs.iter().map(|job| job.id.to_string()).collect());
    format!("{} sums {sums} jobs {jobs}", committed.version)
}

pub(crate) fn transaction(route: &str, query: &Query) -> Result<Response> {
    if route == "append" {
        let (key, text) = (query.get("k").unwrap_or("k"), query.get("v").unwrap_or("v"));
        let mut value = String::new();
        for _ in 0..query.number("n", 1) {
            (value, _) = store::transaction(|tx| {
                let value: String = tx.get(key)?.unwrap_or_default();
                let value = format!("{value}{text}");
                tx.set(key, &value);
                Ok::<_, Error>(value)
            })?;
        }
        return Ok(value.into_response());
    }
    let (from, to) = (query.get("from").unwrap_or("a"), query.get("to").unwrap_or("b"));
    let by = i64::try_from(query.number("by", 1))?;
    let (left, _) = store::transaction(|tx| {
        let left = tx.counter(from)?.checked_sub(by).filter(|left| *left >= 0);
        let left = left.reject(StatusCode::CONFLICT, "too little")?;
        tx.sum(from, -by);
        tx.sum(to, by);
        Ok::<_, Error>(left)
    })?;
    Ok(left.to_string().into_response())
}
