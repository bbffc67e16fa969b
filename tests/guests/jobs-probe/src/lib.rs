//! A guest over `skep:plugin/jobs`, by the SDK: it enqueues what the query says and does jobs as they are called.
//! `http-handler` and `job-handler` in one component.
//!
//! | route | does |
//! |---|---|
//! | `/enqueue?name=&args=&..` | one job, with the knobs below; answers `ID new` or `ID there` |
//! | `/enqueue-many?name=&args=&n=&..` | `n` jobs at once, each with the knobs; args are `ARGS0`, `ARGS1`, ... if `n` > 1 and not `same=1`; a line for each |
//! | `/batch?name=&args=&n=&then=NAME&finally=NAME&callback_args=` | `n` jobs and what comes after them; a line for each |
//! | `/after?name=&args=&ids=1,2&any=1&..` | one job after those of these ids |
//! | `/chain?names=a,b,c&args=` | jobs that wait for each other, in one list |
//! | `/get?id=` | `STATE ATTEMPT/MAX OUTPUT ERROR` with `-` for what is not there; `none` without one |
//! | `/await?id=&ms=` | the same when it has ended |
//! | `/enqueue-await?name=&args=&ms=&..` | both, in one call |
//! | `/cancel?id=` | `true` or `false` |
//! | `/runs?key=` | what jobs wrote: a line `NAME ARGS ID ATTEMPT` for each run that was begun, `none` without one |
//! | `/hold?name=&args=&end=` | enqueues, then ends as told: `return`, `trap`, `panic`, `spin` |
//!
//! Knobs: `queue=`, `priority=`, `max=` (attempts), `in_ms=`, `at_ms=` (since the epoch), `meta=NAME:VALUE`, `unique=args|name`,
//! `unique_key=`, `unique_queue=1`, `period_ms=`, `refuse=1`, `states=scheduled,..`, `replace=args,run_at,priority,max`,
//! `replace_in=scheduled,..`.
//!
//! Errors of a capability are answered as 409 with their debug text. The last segment of the path decides.

mod knobs;
mod work;

use std::time::Duration;

use hostile_common::Query;
use skep_sdk::{
    jobs::{After, Enqueued, JobId, Status},
    prelude::*,
};

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    match operate(route, &query) {
        Ok(text) => text.into_response(),
        Err(error) => match error.capability() {
            Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
            None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

fn operate(route: &str, query: &Query) -> Result<String> {
    let id = JobId(query.number("id", 0));
    let wait = Duration::from_millis(query.number("ms", 10_000));
    match route {
        "" | "ok" => Ok("ok".to_owned()),
        "enqueue" => Ok(line(knobs::job(query)?.enqueue()?)),
        "enqueue-many" => Ok(lines(jobs::enqueue_all(many(query)?)?)),
        "batch" => batch(query),
        "after" => {
            let ids = query.get("ids").unwrap_or_default().split(',');
            let mut job = knobs::job(query)?;
            for id in ids {
                job = job.after(id.parse::<JobId>()?);
            }
            let job = if query.get("any").is_some() { job.after_any_end() } else { job };
            Ok(line(job.enqueue()?))
        }
        "chain" => chain(query),
        "get" => Ok(jobs::get(id)?.map_or_else(|| "none".to_owned(), |status| shown(&status))),
        "await" => Ok(shown(&jobs::await_end(id, wait)?)),
        "enqueue-await" => {
            let job = knobs::job(query)?.enqueue()?;
            Ok(shown(&jobs::await_end(job.id, wait)?))
        }
        "cancel" => Ok(jobs::cancel(id)?.to_string()),
        "runs" => work::runs(query.get("key").unwrap_or_default()),
        "hold" => {
            let job = knobs::job(query)?.enqueue()?;
            match query.get("end").unwrap_or("return") {
                "trap" => hostile_common::trap(),
                "panic" => hostile_common::panic(),
                "spin" => hostile_common::spin(),
                _ => Ok(line(job)),
            }
        }
        _ => Ok("no such route".to_owned()),
    }
}

fn many(query: &Query) -> Result<Vec<jobs::NewJob>> {
    let count = query.number("n", 1);
    let args = query.get("args").unwrap_or_default();
    let is_same = count == 1 || query.get("same").is_some();
    let args = (0..count).map(|index| if is_same { args.to_owned() } else { format!("{args}{index}") });
    args.map(|args| knobs::of(query, query.get("name").unwrap_or("echo"), &args)).collect()
}

fn batch(query: &Query) -> Result<String> {
    let args = query.get("callback_args").unwrap_or("called");
    let mut batch = jobs::batch(many(query)?);
    if let Some(name) = query.get("then") {
        batch = batch.then(jobs::job(name, args));
    }
    if let Some(name) = query.get("finally") {
        batch = batch.finally(jobs::job(name, args));
    }
    Ok(lines(batch.enqueue()?))
}

fn chain(query: &Query) -> Result<String> {
    let args = query.get("args").unwrap_or_default();
    let names = query.get("names").unwrap_or("echo,echo").split(',');
    let chained = (0_u32..).zip(names).map(|(place, name)| {
        let job = jobs::job(name, args);
        place.checked_sub(1).into_iter().fold(job, |job, before| job.after(After::Place(before)))
    });
    Ok(lines(jobs::enqueue_all(chained)?))
}

fn line(job: Enqueued) -> String {
    format!("{} {}", job.id, if job.was_there { "there" } else { "new" })
}

fn lines(jobs: Vec<Enqueued>) -> String {
    jobs.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn shown(status: &Status) -> String {
    let output = status.output_bytes().map_or("-".into(), String::from_utf8_lossy);
    let error = status.last_error.as_deref().unwrap_or("-");
    format!("{} {}/{} {output} {error}", status.state, status.attempt, status.max_attempts)
}

#[cfg(test)]
mod tests;
