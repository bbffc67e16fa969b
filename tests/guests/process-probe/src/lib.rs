//! A guest over `skep:plugin/process`, by the SDK: its routes start processes and talk to them, and its processes do as they
//! are told. `http-handler`, `process-handler` and `job-handler` in one component.
//!
//! | route | does |
//! |---|---|
//! | `/start?kind=&name=&from=&init=` | answers `PID`; `name` may be left out |
//! | `/start-or-get?kind=&name=&from=&init=` | `PID new` or `PID there` |
//! | `/start-many?kind=&prefix=&n=&first=` | `n` processes, `PREFIX00000000`, ... from `first` on, each of which begins at its number; answers `n` |
//! | `/call?to=&say=&timeout_ms=` | the answer |
//! | `/call-many?to=&say=&n=` | the same `n` times; the last answer |
//! | `/cast?to=&say=&n=`, `/send?to=&say=&n=` | once or `n` times; answers `ok` |
//! | `/stop?to=&reason=&timeout_ms=` | answers `ok` |
//! | `/whereis?to=` | `PID` or `none` |
//! | `/list?prefix=&limit=&cursor=` | a line `NAME KIND PID` for each of a page, then `cursor CURSOR` if there is one |
//! | `/list-all?prefix=` | how many there are, page by page |
//! | `/commit?ops=` | a commit outside of any process, of the operations in `commit.rs`; answers its version |
//! | `/enqueue?to=&say=` | a job that calls the process and keeps the answer; answers its id |
//! | `/job?id=&ms=` | what the process answered to the job, when it is done |
//! | `/get?k=` | `VERSION TEXT` of the store, or `none` |
//! | `/members?topic=` | the keys of the presences there, split by `,` |
//! | `/self` | the pid of the process that calls, which there is none |
//!
//! `to` is `NAME`, `PLUGIN/NAME` or `pid:PID`. What is said is text; what it means is in `act.rs`, and for the kinds
//! `counter`, `ledger` and `loader` in their files. `init` is said to the new process first: `error WHY`, `trap`, `sleep 7`, ...
//!
//! A process that cannot be asked is a 409: `NotFound`, `Timeout WHY`, `Crashed WHY`, `Failed WHY`, `Full`, `Conflict`,
//! `NameTaken PID`, or the capability's error with its debug text. The last segment of the path decides.

mod act;
mod commit;
mod counter;
mod ledger;
mod loader;
mod text;

use std::time::Duration;

use counter::Counter;
use hostile_common::Query;
use ledger::Ledger;
use loader::Loader;
use skep_sdk::{
    jobs::JobId,
    prelude::*,
    process::{CallError, Handle, Process, StartError, Started},
};
use text::{Begin, target};

#[skep::processes]
mod kinds {
    #[process]
    pub(crate) use super::counter::Counter;
    #[process]
    pub(crate) use super::ledger::Ledger;
    #[process]
    pub(crate) use super::loader::Loader;
}

/// `TO TEXT`: says the text to the process, and returns what it answers.
#[skep::job(max_attempts = 3)]
fn tell(args: String) -> JobResult<String> {
    let (to, say) = text::two(&args).or_cancel()?;
    Ok(to_any(to).call(&say.to_owned())?)
}

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    match operate(route, &query) {
        Ok(text) => text.into_response(),
        Err(Refusal::Said(text)) => (StatusCode::CONFLICT, text).into_response(),
        Err(Refusal::Other(error)) => match error.capability() {
            Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
            None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

/// An error by its variant, so that tests see which one it is.
#[derive(Debug)]
enum Refusal {
    Said(String),
    Other(Error),
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Said(match error {
            CallError::Refused(error) => return Self::Other(error),
            error => text::shown(&error),
        })
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self::Said(match error {
            StartError::NameTaken(pid) => format!("NameTaken {pid}"),
            StartError::Failed(why) => format!("Failed {why}"),
            StartError::Crashed(why) => format!("Crashed {why}"),
            StartError::Refused(error) => return Self::Other(error),
            error => error.to_string(),
        })
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// All kinds understand the same: text.
fn to_any(to: &str) -> Handle<Counter> {
    process::handle(target(to))
}

fn operate(route: &str, query: &Query) -> Result<String, Refusal> {
    let get = |name: &str| query.get(name).unwrap_or_default();
    let mut to = to_any(get("to"));
    if let Some(ms) = query.get("timeout_ms") {
        to = to.timeout(Duration::from_millis(ms.parse().map_err(Error::from)?));
    }
    let say = get("say").to_owned();
    let mut times = 0..query.number("n", 1);
    match route {
        "" | "ok" => {}
        "start" | "start-or-get" | "start-many" => {
            return match get("kind") {
                "ledger" => start::<Ledger>(route, query),
                "loader" => start::<Loader>(route, query),
                _ => start::<Counter>(route, query),
            };
        }
        "call" => return Ok(to.call(&say)?),
        "call-many" => {
            return Ok(times.map(|_| to.call(&say)).collect::<Result<Vec<_>, _>>()?.pop().unwrap_or_default());
        }
        "cast" => times.try_for_each(|_| to.cast(&say))?,
        "send" => times.try_for_each(|_| to.send(&say))?,
        "stop" => to.stop(query.get("reason").unwrap_or("normal"))?,
        "whereis" => return Ok(process::whereis(target(get("to")))?.map_or("none".to_owned(), |pid| pid.to_string())),
        "list" | "list-all" => return Ok(list(route, query)?),
        "commit" => {
            return Ok(commit::fill(store::atomic(), get("ops"))?.commit().map_err(Error::from)?.version.to_string());
        }
        "enqueue" => return Ok(tell::enqueue(&format!("{} {say}", get("to")))?.id.to_string()),
        "job" => {
            let wait = Duration::from_millis(query.number("ms", 10_000));
            return Ok(tell::await_output(JobId(query.number("id", 0)), wait)?);
        }
        "get" => {
            let item = store::own().get_item_bytes(get("k"))?;
            let shown = item.map(|item| format!("{} {}", item.version, String::from_utf8_lossy(&item.value)));
            return Ok(shown.unwrap_or_else(|| "none".to_owned()));
        }
        "members" => {
            let keys = presence::list(get("topic")).map(|member| Ok(member?.key));
            return Ok(keys.collect::<Result<Vec<_>>>()?.join(","));
        }
        "self" => return Ok(process::current()?.to_string()),
        _ => return Ok("no such route".to_owned()),
    }
    Ok("ok".to_owned())
}

fn start<P: Process<Args = Begin>>(route: &str, query: &Query) -> Result<String, Refusal> {
    let begin = Begin { from: query.number("from", 0), say: query.get("init").unwrap_or_default().to_owned() };
    if route == "start-many" {
        let (first, prefix) = (query.number("first", 0), query.get("prefix").unwrap_or("p"));
        for number in first..first + query.number("n", 1) {
            process::start::<P>(format!("{prefix}{number:08}"), &Begin { from: number, ..begin.clone() })?;
        }
        return Ok(query.number("n", 1).to_string());
    }
    let new = process::new::<P>(&begin);
    let new = match query.get("name") {
        Some(name) => new.name(name),
        None => new,
    };
    if route == "start" {
        return Ok(new.start()?.to_string());
    }
    let Started { handle, was_there, .. } = new.start_or_get()?;
    Ok(format!("{handle} {}", if was_there { "there" } else { "new" }))
}

fn list(route: &str, query: &Query) -> Result<String> {
    let prefix = query.get("prefix").unwrap_or_default();
    if route == "list-all" {
        return Ok(process::list(prefix).collect::<Result<Vec<_>>>()?.len().to_string());
    }
    let limit = u32::try_from(query.number("limit", 0)).unwrap_or(u32::MAX);
    let page = process::page(prefix, query.get("cursor"), limit)?;
    let lines = page.processes.iter().map(|listed| format!("{} {} {}", listed.name, listed.kind, listed.pid));
    let cursor = page.cursor.map(|cursor| format!("cursor {cursor}"));
    Ok(lines.chain(cursor).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests;
