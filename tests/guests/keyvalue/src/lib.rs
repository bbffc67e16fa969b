//! Uses `wasi:keyvalue` in both drafts: `/draft/OPERATION` and `/draft2/OPERATION`, answered as text. A store's refusal
//! is a 500 with its name.

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({
        path: [
            "../../../guest-sdk/wit",
            "../../../host/bindings/wit/keyvalue-draft",
            "../../../host/bindings/wit/keyvalue-draft2",
            "wit",
        ],
        world: "skep-test:keyvalue/keyvalue",
        generate_all,
    });
}

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};
use generated::wasi::keyvalue0_2_0_draft2::atomics::{Cas, CasError, swap};
use hostile_common::Query;

struct KeyValue;

generated::export!(KeyValue with_types_in generated);

impl Guest for KeyValue {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        let mut parts = path.rsplit('/');
        let operation = parts.next().unwrap_or_default();
        let answer = match parts.next() {
            Some("draft") => draft(operation, &query),
            _ => draft2(operation, &query),
        };
        let (status, body) = answer.map_or_else(|error| (500, error), |body| (200, body));
        Response { status, headers: Vec::new(), body: body.into_bytes() }
    }
}

/// The operations that both drafts have. They differ in the module, in the counter, in the cursor and in what a batch
/// looks like.
macro_rules! operations {
    ($module:ident, $operation:ident, $query:ident, $number:ty, $cursor:expr, |$many:ident| $show:expr) => {{
        use generated::wasi::$module::{atomics, batch, store};
        let refused = |error| format!("{error:?}");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let bucket = store::open($query.get("b").unwrap_or_default()).map_err(refused)?;
        let (key, value) = ($query.get("k").unwrap_or("k"), $query.get("v").unwrap_or("v"));
        match $operation {
            "set" => bucket.set(key, value.as_bytes()).map(|()| String::new()).map_err(refused),
            "get" => bucket.get(key).map(|value| value.map_or_else(|| "none".to_owned(), text)).map_err(refused),
            "delete" => bucket.delete(key).map(|()| String::new()).map_err(refused),
            "exists" => bucket.exists(key).map(|there| there.to_string()).map_err(refused),
            "increment" => {
                let delta = <$number>::try_from($query.number("by", 1)).unwrap_or(<$number>::MAX);
                atomics::increment(&bucket, key, delta).map(|sum| sum.to_string()).map_err(refused)
            }
            "many" => {
                let entries: Vec<_> = (0..3).map(|at| (format!("m{at}"), vec![b'0' + at])).collect();
                batch::set_many(&bucket, &entries).map_err(refused)?;
                batch::delete_many(&bucket, &["m1".to_owned()]).map_err(refused)?;
                let keys: Vec<_> = (0..3).map(|at| format!("m{at}")).collect();
                let $many = batch::get_many(&bucket, &keys).map_err(refused)?;
                Ok($show)
            }
            "keys" => {
                let (mut keys, mut cursor) = (Vec::new(), None);
                loop {
                    let page = bucket.list_keys($cursor(&cursor)).map_err(refused)?;
                    keys.extend(page.keys);
                    cursor = page.cursor;
                    if cursor.is_none() {
                        keys.sort();
                        return Ok(format!("{} {}", keys.len(), keys.first().map_or("none", String::as_str)));
                    }
                }
            }
            "fill" => (0..$query.number("n", 10))
                .try_for_each(|at| bucket.set(&format!("key-{at:05}"), b"x"))
                .map(|()| String::new())
                .map_err(refused),
            other => Err(format!("no operation {other}")),
        }
    }};
}

fn draft(operation: &str, query: &Query) -> Result<String, String> {
    operations!(keyvalue0_2_0_draft, operation, query, u64, Option::clone, |many| {
        many.iter()
            .map(|one| one.as_ref().map_or("none".to_owned(), |(key, _)| key.clone()))
            .collect::<Vec<_>>()
            .join(",")
    })
}

fn draft2(operation: &str, query: &Query) -> Result<String, String> {
    if operation == "swap" {
        return swap_once(query).map_err(|error| format!("{error:?}"));
    }
    operations!(keyvalue0_2_0_draft2, operation, query, i64, Option::<String>::as_deref, |many| {
        many.iter().map(|(key, value)| if value.is_some() { &**key } else { "none" }).collect::<Vec<_>>().join(",")
    })
}

/// Swaps a value that somebody else changes in between, once, and then with the handle that the refusal gave.
fn swap_once(query: &Query) -> Result<String, generated::wasi::keyvalue0_2_0_draft2::store::Error> {
    let bucket = generated::wasi::keyvalue0_2_0_draft2::store::open("")?;
    let key = query.get("k").unwrap_or("swap");
    let cas = Cas::new(&bucket, key)?;
    let before = cas.current()?.is_some();
    bucket.set(key, b"somebody else")?;
    let first = swap(cas, b"mine");
    let Err(CasError::CasFailed(again)) = first else { return Ok(format!("{before} not refused: {first:?}")) };
    let seen = again.current()?.map(|value| String::from_utf8_lossy(&value).into_owned());
    let second = swap(again, b"mine at last");
    Ok(format!("{before} {seen:?} {}", second.is_ok()))
}
