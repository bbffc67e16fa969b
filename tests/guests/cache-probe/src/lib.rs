//! A guest over `skep:plugin/http-handler` that uses `skep:plugin/cache` as its path says.
//!
//! | route | does |
//! |---|---|
//! | `/put?b=&k=&v=&ttl=`, `/get`, `/delete`, `/increment`, `/keys` | plain operations; `ttl` in ms |
//! | `/load?b=&k=&rounds=&wait=` | gets or loads: answers `hit VALUE` or `loaded VALUE`; the loader counts itself in `loads` |
//! | `/lock?b=&k=&wait=` | answers the fence |
//! | `/fuel-of-get?b=&k=&bytes=` | what reading a value of that length burns |
//! | `/hold?b=&k=&then=` | takes the lease, then ends as told: `return`, `spin`, `sleep`, `trap`, `bomb`, `panic` |
//! | `/hold-lock?b=&k=&then=` | the same with the lock |
//!
//! As a warmer it does as it is called: `fill` writes `warm` and counts itself in `runs`, `refuse` says no, `flaky` says
//! no twice, `trap` traps.
//!
//! Errors are answered as 409 with their debug text. The last segment of the path decides.

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({
        path: ["../../../guest-sdk/wit", "wit"],
        world: "skep-test:probe/probe",
        generate_all,
    });
}

use std::time::Duration;

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};
use generated::skep::plugin::cache::{self, Bucket, Condition, Fetched, Lifetime};
use generated::skep::plugin::context;
use generated::skep::plugin::types::Error;

use hostile_common::Query;

struct Probe;

generated::export!(Probe with_types_in generated);

impl Guest for Probe {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        let route = path.rsplit('/').next().unwrap_or_default();
        let answered = match route {
            "" | "ok" => Ok("ok".to_owned()),
            _ => open(&query).and_then(|bucket| operate(route, &bucket, &query)),
        };
        match answered {
            Ok(body) => Response { status: 200, headers: Vec::new(), body: body.into_bytes() },
            Err(error) => Response { status: 409, headers: Vec::new(), body: format!("{error:?}").into_bytes() },
        }
    }
}

impl generated::exports::skep::plugin::cache_warmer::Guest for Probe {
    fn warm(name: String) -> Result<(), String> {
        let told = |error: Error| format!("{error:?}");
        let bucket = cache::open("main").map_err(told)?;
        let runs = bucket.increment("runs", 1, Lifetime::Standard).map_err(told)?;
        match name.as_str() {
            "fill" => {
                bucket.put("warm", b"yes", Lifetime::Standard, Condition::Always).map_err(told)?;
                bucket
                    .put("client", format!("{:?}", context::client()).as_bytes(), Lifetime::Standard, Condition::Always)
                    .map_err(told)?;
                Ok(())
            }
            "flaky" if runs > 2 => Ok(()),
            "trap" => core::arch::wasm32::unreachable(),
            other => Err(format!("{other} says no")),
        }
    }
}

fn open(query: &Query) -> Result<Bucket, Error> {
    cache::open(query.get("b").unwrap_or("main"))
}

fn operate(route: &str, bucket: &Bucket, query: &Query) -> Result<String, Error> {
    let key = query.get("k").unwrap_or("k");
    let wait = query.number("wait", 60_000);
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    Ok(match route {
        "put" => {
            let value = query.get("v").unwrap_or("v");
            bucket.put(key, value.as_bytes(), lifetime(query), Condition::Always)?.to_string()
        }
        "put-bytes" => bucket.put(key, &[0, 255, 16], lifetime(query), Condition::Always)?.to_string(),
        "get" => bucket.get(key)?.map_or_else(|| "none".to_owned(), text),
        "delete" => bucket.delete(key)?.to_string(),
        "increment" => bucket.increment(key, 1, lifetime(query))?.to_string(),
        "keys" => {
            let mut keys = bucket.keys("", None, 1000)?.keys;
            keys.sort();
            keys.join(",")
        }
        "load" => match bucket.fetch(key, wait, false)? {
            Fetched::Hit(value) | Fetched::Stale((value, _)) => format!("hit {}", text(value)),
            Fetched::Miss(lease) => {
                let number = bucket.increment("loads", 1, Lifetime::Standard)?;
                hostile_common::rounds(query.number("rounds", 0));
                lease.fill(number.to_string().as_bytes(), lifetime(query))?;
                format!("loaded {number}")
            }
        },
        "fuel-of-get" => {
            let bytes = usize::try_from(query.number("bytes", 0)).unwrap_or(usize::MAX);
            bucket.put(key, &vec![7; bytes], lifetime(query), Condition::Always)?;
            let before = context::fuel_left();
            let value = bucket.get(key)?;
            let after = context::fuel_left();
            drop(value);
            before.saturating_sub(after).to_string()
        }
        "lock" => bucket.lock(key, wait)?.fence().to_string(),
        "hold" => match bucket.fetch(key, wait, false)? {
            Fetched::Miss(lease) => {
                bucket.increment("held", 1, Lifetime::Standard)?;
                end(query);
                // The handle is never dropped by the guest: the end of the call is what frees the lease.
                std::mem::forget(lease);
                "held".to_owned()
            }
            _ => "hit".to_owned(),
        },
        "hold-lock" => {
            let lock = bucket.lock(key, wait)?;
            bucket.increment("held", 1, Lifetime::Standard)?;
            end(query);
            let fence = lock.fence();
            std::mem::forget(lock);
            fence.to_string()
        }
        _ => "no such route".to_owned(),
    })
}

fn lifetime(query: &Query) -> Lifetime {
    match query.number("ttl", 0) {
        0 => Lifetime::Standard,
        millis => Lifetime::After(millis),
    }
}

/// Ends as told, or returns after so many milliseconds.
#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
fn end(query: &Query) {
    std::thread::sleep(Duration::from_millis(query.number("ms", 0)));
    match query.get("then").unwrap_or("return") {
        "spin" => hostile_common::spin(),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "trap" => hostile_common::trap(),
        "bomb" => hostile_common::bomb(),
        "panic" => hostile_common::panic(),
        _ => {}
    }
}
