//! The tasks, and the routes that give them work. All of them take text and return text.
//!
//! | task | does |
//! |---|---|
//! | `echo` | returns its text |
//! | `fail` | returns its text as an error |
//! | `trap`, `spin`, `panic`, `host_panic`, `oom` | ends so |
//! | `sleep` | waits so many milliseconds in the host, then returns its text |
//! | `publish_later` | `TOPIC TEXT`: publishes the text |
//! | `matryoshka` | maps `matryoshka` over the number below its own, down to 0, and counts the layers |
//! | `nested` | waits so many milliseconds, then maps `echo` over `a` and `b` and joins the results: a task with tasks of its own |

use std::time::Duration;

use hostile_common::Query;
use skep_sdk::{prelude::*, task::TaskError};

#[skep::tasks]
pub(crate) mod tasks {
    use std::time::Duration;

    use skep_sdk::prelude::*;

    #[task]
    pub(crate) fn echo(text: String) -> Result<String> {
        Ok(text)
    }

    #[task]
    fn fail(text: String) -> Result<String> {
        Err(text.into())
    }

    #[task]
    fn trap(_: String) -> Result<String> {
        hostile_common::trap()
    }

    #[task]
    fn spin(_: String) -> Result<String> {
        hostile_common::spin()
    }

    #[task]
    fn panic(_: String) -> Result<String> {
        hostile_common::panic()
    }

    #[task]
    fn host_panic(text: String) -> Result<String> {
        hostile_common::host_panic();
        Ok(text)
    }

    #[task]
    fn oom(text: String) -> Result<String> {
        hostile_common::bomb();
        Ok(text)
    }

    #[task]
    #[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
    fn sleep(text: String) -> Result<String> {
        std::thread::sleep(Duration::from_millis(text.parse()?));
        Ok(text)
    }

    #[task]
    fn publish_later(text: String) -> Result<String> {
        let (topic, text) = text.split_once(' ').context("splitting the arguments")?;
        pubsub::publish_bytes(topic, text)?;
        Ok("published".to_owned())
    }

    #[task]
    fn matryoshka(text: String) -> Result<String> {
        let Some(below) = text.parse::<u32>()?.checked_sub(1) else { return Ok(0.to_string()) };
        let mut inner = matryoshka::map([below.to_string()]).ordered()?;
        let layers: u32 = inner.next().context("waiting for the inner one")??.parse()?;
        Ok((layers + 1).to_string())
    }

    #[task]
    #[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
    fn nested(text: String) -> Result<String> {
        std::thread::sleep(Duration::from_millis(text.parse()?));
        let texts = echo::map(["a".to_owned(), "b".to_owned()]).ordered()?;
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join("+"))
    }
}

pub(crate) fn operate(route: &str, query: &Query) -> Result<String> {
    let name = query.get("name").unwrap_or("echo");
    match route {
        "task-start" => {
            let args = query.get("args").unwrap_or("hello");
            for _ in 0..query.number("n", 1) {
                task::start(name, args)?;
            }
            end(query);
            Ok("started".to_owned())
        }
        "task-map" => map(query, name),
        "task-map-drop" => {
            let mut results = task::map::<String>(name, args(query)).unordered()?;
            let wanted = usize::try_from(query.number("take", 1)).unwrap_or(usize::MAX);
            Ok(results.by_ref().take(wanted).count().to_string())
        }
        "task-map-hold" => {
            let results = task::map::<String>(name, args(query)).unordered()?;
            wait(query.number("ms", 60_000));
            end(query);
            drop(results);
            Ok("held".to_owned())
        }
        _ => Ok("no such route".to_owned()),
    }
}

fn map(query: &Query, name: &str) -> Result<String> {
    let concurrency = u32::try_from(query.number("concurrency", 0)).unwrap_or(u32::MAX);
    let map = task::map::<String>(name, args(query)).concurrency(concurrency);
    let lines: Vec<_> = if query.get("order") == Some("unordered") {
        map.unordered()?.map(line).collect()
    } else {
        map.ordered()?.enumerate().map(line).collect()
    };
    Ok(lines.join("\n"))
}

fn line((index, result): (usize, Result<String, TaskError>)) -> String {
    match result {
        Ok(text) => format!("{index} ok {text}"),
        Err(TaskError::Failed(why)) => format!("{index} failed {why}"),
        Err(TaskError::Crashed(why)) => format!("{index} crashed {why}"),
        Err(other) => format!("{index} {other}"),
    }
}

fn args(query: &Query) -> Vec<String> {
    match query.get("args") {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => (0..query.number("n", 1)).map(|number| number.to_string()).collect(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
fn wait(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn end(query: &Query) {
    match query.get("end").unwrap_or("return") {
        "trap" => hostile_common::trap(),
        "panic" => hostile_common::panic(),
        "spin" => hostile_common::spin(),
        _ => {}
    }
}
