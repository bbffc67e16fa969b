//! A guest over `skep:plugin/http-handler` whose path says how it misbehaves. Every limit of the fast path is hit by
//! some route here; the well-behaved routes show that neighbours survive.
//!
//! | module | routes |
//! |---|---|
//! | `work` | `/spin`, `/spin-fuel?n=`, `/recurse`, `/bomb`, `/trap`, `/panic`, `/sleep?ms=`, `/counter`, `/log-flood?bytes=` |
//! | `answer` | `/status?code=`, `/big?bytes=`, `/headers?n=&size=`, `/bad-header?name=&value=`, `/echo` |
//! | `dump` | `/request`, `/captures`, `/context?n=` |
//!
//! Numbers have defaults, values in the query are percent-decoded, and a path that is none of these is a 404. The last
//! segment of the path decides, so that a manifest may mount the guest anywhere and put captures before it.

mod answer;
mod dump;
mod query;
mod work;

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "http" });
}

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};

use crate::query::Query;

struct Hostile;

generated::export!(Hostile with_types_in generated);

impl Guest for Hostile {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        let route = path.rsplit('/').next().unwrap_or_default();
        match route {
            "" | "ok" => answer::text("ok"),
            "spin" => work::spin(),
            "spin-fuel" => work::spin_fuel(&query),
            "recurse" => work::recurse(),
            "bomb" => work::bomb(),
            "trap" => work::trap(),
            "panic" => work::panic(),
            "sleep" => work::sleep(&query),
            "counter" => work::counter(),
            "log-flood" => work::log_flood(&query),
            "status" => answer::status(&query),
            "big" => answer::big(&query),
            "headers" => answer::headers(&query),
            "bad-header" => answer::bad_header(&query),
            "echo" => answer::echo(request),
            "request" => dump::request(&request),
            "captures" => dump::captures(&request),
            "context" => dump::context(&query),
            _ => Response { status: 404, ..answer::text(format!("no route {route}")) },
        }
    }
}
