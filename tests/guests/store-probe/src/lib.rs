//! A guest over `skep:plugin/store`, by the SDK: it does what the path says. `http-handler` and `job-handler` in one
//! component; values are bytes as they are.
//!
//! | route | does |
//! |---|---|
//! | `/get?k=&space=` | `VERSION EXPIRES TEXT`, `-` for no end; `none` without one |
//! | `/get-many?keys=a,b&space=` | a line for each |
//! | `/set?k=&v=&ttl_ms=&space=` | answers `ok` |
//! | `/set-big?k=&bytes=&space=` | a value of so many bytes |
//! | `/length?k=&space=` | how many bytes the value has |
//! | `/delete?k=&space=`, `/sum?k=&by=&space=`, `/counter?k=&space=` | plain operations |
//! | `/list?prefix=&space=&limit=&cursor=` | a line `KEY TEXT` for each item of a page, then `cursor CURSOR` if there is one |
//! | `/list-all?prefix=&space=` | how many there are, page by page |
//! | `/fill?prefix=&n=&bytes=` | `n` items of so many bytes in commits of 500, `PREFIX000000`, ... |
//! | `/commit?ops=` | a commit of operations, split at `;`: see below |
//! | `/commit-hold?ops=&end=` | the same, then ends as told: `return`, `trap`, `panic`, `spin` |
//! | `/append?k=&v=&n=` | appends the text `n` times, each in a transaction; answers the value |
//! | `/transfer?from=&to=&by=` | moves so much between two numbers, in a transaction; 500 `too little` if there is not enough |
//! | `/done` | what the job `keep` wrote |
//!
//! Operations: `check KEY VERSION`, `absent KEY`, `set KEY TEXT`, `set_for KEY MS TEXT`, `big KEY BYTES`, `delete KEY`,
//! `sum KEY BY`, `enqueue NAME ARGS`, `unique NAME ARGS` (refused if it is there), `publish TOPIC TEXT`,
//! `event TOPIC EVENT TEXT`. `SPACE/KEY` is a key of another plugin. The answer is `VERSION sums 1,2 jobs 3,4`; a refusal
//! is a 409: `Conflict KEY`, `Duplicate PLACE`, `OutcomeUnknown`, or the error of the capability.
//!
//! Errors of a capability are answered as 409 with their debug text. The last segment of the path decides.

mod commit;

use std::time::{Duration, UNIX_EPOCH};

use hostile_common::Query;
use skep_sdk::{
    prelude::*,
    store::{Item, Space},
};

/// Writes its text to the end of `done`, once.
#[skep::job]
fn keep(text: String, job: &Job) -> JobResult {
    let mark = format!("kept:{}", job.id);
    store::transaction(|tx| {
        if tx.get::<bool>(&mark)?.is_none() {
            let before: String = tx.get("done")?.unwrap_or_default();
            tx.set("done", &format!("{before} {text}"));
            tx.set(&mark, &true);
        }
        Ok::<_, Error>(())
    })?;
    Ok(())
}

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    match operate(route, &query) {
        Ok(response) => response,
        Err(error) => match error.capability() {
            Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
            None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

fn operate(route: &str, query: &Query) -> Result<Response> {
    let key = query.get("k").unwrap_or("k");
    let space = space(query);
    let text = match route {
        "" | "ok" => "ok".to_owned(),
        "get" => shown(space.get_item_bytes(key)?),
        "get-many" => {
            let keys = query.get("keys").unwrap_or_default().split(',');
            space.get_many_bytes(keys)?.into_iter().map(shown).collect::<Vec<_>>().join("\n")
        }
        "set" => {
            let value = query.get("v").unwrap_or("v");
            match query.number("ttl_ms", 0) {
                0 => space.set_bytes(key, value)?,
                ttl => space.set_bytes_for(key, value, Duration::from_millis(ttl))?,
            }
            "ok".to_owned()
        }
        "set-big" => {
            let bytes = usize::try_from(query.number("bytes", 0)).unwrap_or(usize::MAX);
            space.set_bytes(key, vec![b'x'; bytes])?;
            "ok".to_owned()
        }
        "length" => space.get_bytes(key)?.map_or_else(|| "none".to_owned(), |value| value.len().to_string()),
        "delete" => {
            space.delete(key)?;
            "ok".to_owned()
        }
        "sum" => space.sum(key, query.get("by").unwrap_or("1").parse()?)?.to_string(),
        "counter" => space.counter(key)?.to_string(),
        "list" | "list-all" | "fill" => many(route, query, &space)?,
        "commit" | "commit-hold" => return commit::answer(route, query),
        "append" | "transfer" => return commit::transaction(route, query),
        "done" => store::get::<String>("done")?.unwrap_or_else(|| "none".to_owned()),
        _ => "no such route".to_owned(),
    };
    Ok(text.into_response())
}

/// Of which plugin; this one's own is asked for by the functions of the module, as most plugins do.
fn space(query: &Query) -> Space {
    query.get("space").map_or_else(store::own, store::space)
}

fn shown(item: Option<Item<Vec<u8>>>) -> String {
    let Some(item) = item else { return "none".to_owned() };
    let expires = item.expires.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let expires = expires.map_or_else(|| "-".to_owned(), |at| at.as_millis().to_string());
    format!("{} {expires} {}", item.version, String::from_utf8_lossy(&item.value))
}

fn many(route: &str, query: &Query, space: &Space) -> Result<String> {
    const AT_ONCE: u64 = 500;
    let prefix = query.get("prefix").unwrap_or_default();
    match route {
        "list-all" => {
            let count = space.list_bytes(prefix).collect::<Result<Vec<_>>>()?.len();
            Ok(count.to_string())
        }
        "fill" => {
            let bytes = usize::try_from(query.number("bytes", 1)).unwrap_or(usize::MAX);
            let mut left = 0..query.number("n", 1);
            while !left.is_empty() {
                let some = left.by_ref().take(usize::try_from(AT_ONCE).unwrap_or(usize::MAX));
                let commit = some.fold(store::atomic(), |commit, index| {
                    commit.set_bytes(space.key(format!("{prefix}{index:06}")), vec![b'x'; bytes])
                });
                commit.commit()?;
            }
            Ok("ok".to_owned())
        }
        _ => {
            let limit = u32::try_from(query.number("limit", 1000)).unwrap_or(u32::MAX);
            let page = space.page_bytes(prefix, query.get("cursor"), limit)?;
            let line = |item: &Item<Vec<u8>>| format!("{} {}", item.key.as_str(), String::from_utf8_lossy(&item.value));
            let mut lines: Vec<_> = page.items.iter().map(line).collect();
            lines.extend(page.cursor.map(|cursor| format!("cursor {cursor}")));
            Ok(lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests;
