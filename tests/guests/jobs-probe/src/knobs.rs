//! A job as the query says.

use std::time::{Duration, UNIX_EPOCH};

use hostile_common::Query;
use skep_sdk::{
    jobs::{NewJob, State, Unique},
    prelude::*,
};

pub(crate) fn job(query: &Query) -> Result<NewJob> {
    of(query, query.get("name").unwrap_or("echo"), query.get("args").unwrap_or_default())
}

pub(crate) fn of(query: &Query, name: &str, args: &str) -> Result<NewJob> {
    let mut job = jobs::job(name, args);
    if let Some(queue) = query.get("queue") {
        job = job.queue(queue);
    }
    if let Some(priority) = query.get("priority") {
        job = job.priority(priority.parse()?);
    }
    if let Some(attempts) = query.get("max") {
        job = job.max_attempts(attempts.parse()?);
    }
    if let Some(ms) = query.get("in_ms") {
        job = job.in_(Duration::from_millis(ms.parse()?));
    }
    if let Some(ms) = query.get("at_ms") {
        job = job.at(UNIX_EPOCH + Duration::from_millis(ms.parse()?));
    }
    if let Some((name, value)) = query.get("meta").and_then(|meta| meta.split_once(':')) {
        job = job.meta(name, value);
    }
    Ok(match unique(query)? {
        Some(unique) => job.unique(unique),
        None => job,
    })
}

fn unique(query: &Query) -> Result<Option<Unique>> {
    let mut unique = match (query.get("unique_key"), query.get("unique")) {
        (Some(key), _) => Unique::by_key(key),
        (None, Some("name")) => Unique::by_name(),
        (None, Some(_)) => Unique::by_args(),
        (None, None) => return Ok(None),
    };
    if query.get("unique_queue").is_some() {
        unique = unique.in_queue();
    }
    if let Some(ms) = query.get("period_ms") {
        unique = unique.for_(Duration::from_millis(ms.parse()?));
    }
    if query.get("refuse").is_some() {
        unique = unique.or_refuse();
    }
    if let Some(names) = query.get("states") {
        unique = unique.in_states(states(names)?);
    }
    if let Some(names) = query.get("replace_in") {
        unique = unique.replace_in(states(names)?);
    }
    for what in query.get("replace").unwrap_or_default().split(',') {
        unique = match what {
            "args" => unique.replace_args(),
            "run_at" => unique.replace_run_at(),
            "priority" => unique.replace_priority(),
            "max" => unique.replace_max_attempts(),
            _ => unique,
        };
    }
    Ok(Some(unique))
}

fn states(names: &str) -> Result<Vec<State>> {
    let all = [
        State::Suspended,
        State::Scheduled,
        State::Available,
        State::Executing,
        State::Retryable,
        State::Completed,
        State::Cancelled,
        State::Discarded,
    ];
    let of = |name: &str| all.into_iter().find(|state| state.as_str() == name);
    names.split(',').map(|name| of(name).context(format!("reading the state `{name}`"))).collect()
}
