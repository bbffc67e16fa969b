//! A guest over `skep:plugin/http-handler` whose path says how it misbehaves. Every limit of the fast path is hit by
//! some route here; the well-behaved routes show that neighbours survive.
//!
//! | module | routes |
//! |---|---|
//! | `hostile-common` | `/spin`, `/recurse`, `/bomb`, `/trap`, `/panic`, `/host-panic`, `/counter` |
//! | `work` | `/spin-fuel?n=`, `/sleep?ms=`, `/log-flood?bytes=` |
//! | `answer` | `/status?code=`, `/big?bytes=`, `/headers?n=&size=`, `/bad-header?name=&value=`, `/echo` |
//! | `dump` | `/request`, `/captures`, `/context?n=` |
//!
//! Numbers have defaults, values in the query are percent-decoded, and a path that is none of these is a 404. The last
//! segment of the path decides, so that a manifest may mount the guest anywhere and put captures before it.

mod answer;
mod dump;
mod work;

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "http" });
}

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};

use hostile_common::Query;

struct Hostile;

generated::export!(Hostile with_types_in generated);

impl Guest for Hostile {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        let route = path.rsplit('/').next().unwrap_or_default();
        match route {
            "" | "ok" => answer::text("ok"),
            "spin" => hostile_common::spin(),
            "spin-fuel" => work::spin_fuel(&query),
            "recurse" => answer::text(hostile_common::recurse().to_string()),
            "bomb" => {
                hostile_common::bomb();
                Response { status: 500, ..answer::text("the allocations were optimised away") }
            }
            "trap" => hostile_common::trap(),
            "panic" => hostile_common::panic(),
            "host-panic" => {
                hostile_common::host_panic();
                answer::text("the host went on")
            }
            "sleep" => work::sleep(&query),
            "counter" => answer::text(hostile_common::count().to_string()),
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
