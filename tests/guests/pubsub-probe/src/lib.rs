//! A guest over everything that concerns topics, by the SDK: it does what the path says. `http-handler`, `subscriber`,
//! `event-stream-handler` and `task-handler` in one component.
//!
//! | route | does |
//! |---|---|
//! | `/publish?topic=&event=&data=&skip_own=1&local=1&n=` | publishes the text, `n` times (`data0`, `data1`, ... if n > 1); answers the ids, `none` without a log |
//! | `/publish-big?topic=&bytes=` | publishes so many bytes |
//! | `/since?topic=&after=&limit=` | answers `complete` or `gap`, then a line `ID EVENT DATA` for each message |
//! | `/track?owner=&topic=&key=&data=`, `/update` | answers the ref; `data` is JSON, `{}` by default |
//! | `/untrack?owner=&topic=&key=` | answers `true` or `false` |
//! | `/list?topic=`, `/get?topic=&key=` | a line `KEY DATA DATA ..` for each member, `none` without one |
//! | `/count?topic=` | answers the number |
//! | `/task-start?name=&args=&n=&end=` | starts the task `n` times, then ends as told: `return`, `trap`, `panic`, `spin` |
//! | `/task-map?name=&args=&n=&concurrency=&order=` | a line `INDEX ok TEXT`, `INDEX failed WHY` or `INDEX crashed WHY` for each, as they come; `order` is `ordered` or `unordered`; `args` is the list, split at commas, or `n` numbers |
//! | `/task-map-drop?name=&n=&take=` | takes so many results, drops the rest, answers how many it took |
//! | `/task-map-hold?name=&n=&ms=&end=` | starts them, waits, then ends as told: whatever ends the call ends them |
//! | `/cache?b=&k=` | the bytes of the entry as text, `none` without one |
//!
//! Errors of a capability are answered as 409 with their debug text. The last segment of the path decides.

mod listen;
mod stream;
mod work;

use hostile_common::Query;
use skep_sdk::{
    prelude::*,
    presence::{Member, Owner},
    serde_json,
};

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    let answered = match route {
        "" | "ok" => Ok("ok".to_owned()),
        "publish" | "publish-big" | "since" => topics(route, &query),
        "track" | "update" | "untrack" | "list" | "get" | "count" => who(route, &query),
        "cache" => read(&query),
        _ => work::operate(route, &query),
    };
    match answered {
        Ok(text) => text.into_response(),
        Err(error) => match error.capability() {
            Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
            None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

fn topics(route: &str, query: &Query) -> Result<String> {
    let topic = query.get("topic").unwrap_or("t");
    match route {
        "publish-big" => {
            let bytes = usize::try_from(query.number("bytes", 0)).unwrap_or(usize::MAX);
            Ok(id(pubsub::publish_bytes(topic, vec![b'x'; bytes])?))
        }
        "since" => {
            let after = query.get("after").and_then(|after| after.parse().ok());
            let limit = u32::try_from(query.number("limit", 1000)).unwrap_or(u32::MAX);
            let history = pubsub::since(topic, after, limit)?;
            let mut lines = vec![if history.complete { "complete" } else { "gap" }.to_owned()];
            for message in history.messages {
                let event = message.event().unwrap_or("-");
                lines.push(format!("{} {event} {}", id(message.id()), String::from_utf8_lossy(message.bytes())));
            }
            Ok(lines.join("\n"))
        }
        _ => {
            let (data, times) = (query.get("data").unwrap_or("hello"), query.number("n", 1));
            let ids = (0..times).map(|index| {
                let mut message = pubsub::to(topic);
                if let Some(event) = query.get("event") {
                    message = message.event(event);
                }
                if query.get("skip_own").is_some() {
                    message = message.skip_own();
                }
                if query.get("local").is_some() {
                    message = message.local();
                }
                let data = if times > 1 { format!("{data}{index}") } else { data.to_owned() };
                message.publish_bytes(data).map(id)
            });
            Ok(ids.collect::<Result<Vec<_>>>()?.join(" "))
        }
    }
}

fn id(id: Option<u64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn who(route: &str, query: &Query) -> Result<String> {
    let owner = Owner::new(query.get("owner").unwrap_or_default());
    let (topic, key) = (query.get("topic").unwrap_or("t"), query.get("key").unwrap_or("maja"));
    let data = || serde_json::from_str::<serde_json::Value>(query.get("data").unwrap_or("{}"));
    Ok(match route {
        "track" => presence::track(&owner, topic, key, &data()?)?,
        "update" => presence::update(&owner, topic, key, &data()?)?,
        "untrack" => presence::untrack(&owner, topic, key)?.to_string(),
        "count" => presence::count(topic)?.to_string(),
        "get" => lines(presence::get(topic, key)?),
        _ => lines(presence::list(topic).collect::<Result<Vec<_>>>()?),
    })
}

fn lines(members: impl IntoIterator<Item = Member>) -> String {
    let lines = members.into_iter().map(|member| {
        let data = member.metas.iter().map(|meta| String::from_utf8_lossy(meta.bytes()).into_owned());
        format!("{} {}", member.key, data.collect::<Vec<_>>().join(" "))
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn read(query: &Query) -> Result<String> {
    let value = cache::bucket(query.get("b").unwrap_or("seen"))?.get_bytes(query.get("k").unwrap_or("k"))?;
    Ok(value.map_or_else(|| "none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()))
}
