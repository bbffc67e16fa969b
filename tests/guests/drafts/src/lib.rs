//! A guest over `skep:plugin/http-handler` that uses what WASI has only drafted.
//!
//! - `/config?key=` the value by `wasi:config`, or 404
//! - `/config-all` every pair, as `KEY=VALUE` lines
//! - `/log?level=&context=&message=&name=plain|draft` one line by `wasi:logging`, under either of its names

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({
        path: ["../../../guest-sdk/wit", "wit"],
        world: "skep-test:drafts/drafts",
        generate_all,
    });
}

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};
use generated::wasi::config::store;
use generated::wasi::logging::logging as plain;
use generated::wasi::logging0_1_0_draft::logging as draft;
use hostile_common::Query;

struct Drafts;

generated::export!(Drafts with_types_in generated);

impl Guest for Drafts {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        match path.rsplit('/').next().unwrap_or_default() {
            "config" => config(&query),
            "config-all" => config_all(),
            "log" => log(&query),
            other => text(404, format!("no route {other}")),
        }
    }
}

fn text(status: u16, text: impl Into<String>) -> Response {
    Response { status, headers: Vec::new(), body: text.into().into_bytes() }
}

fn config(query: &Query) -> Response {
    match store::get(query.get("key").unwrap_or_default()) {
        Ok(Some(value)) => text(200, value),
        Ok(None) => text(404, "no such key"),
        Err(error) => text(500, format!("{error:?}")),
    }
}

fn config_all() -> Response {
    match store::get_all() {
        Ok(pairs) => text(200, pairs.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>()),
        Err(error) => text(500, format!("{error:?}")),
    }
}

fn log(query: &Query) -> Response {
    let (context, message) = (query.get("context").unwrap_or_default(), query.get("message").unwrap_or_default());
    // Two packages, and so two enums of the same levels.
    macro_rules! log {
        ($package:ident) => {{
            let level = match query.get("level").unwrap_or("info") {
                "trace" => $package::Level::Trace,
                "debug" => $package::Level::Debug,
                "warn" => $package::Level::Warn,
                "error" => $package::Level::Error,
                "critical" => $package::Level::Critical,
                _ => $package::Level::Info,
            };
            $package::log(level, context, message);
        }};
    }
    if query.get("name") == Some("plain") {
        log!(plain)
    } else {
        log!(draft)
    }
    text(200, "logged")
}
