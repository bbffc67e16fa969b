//! A guest over `wasi:http/incoming-handler@0.2` whose path says how it misbehaves. Every limit of the host is hit by
//! some route here; the well-behaved routes show that neighbours survive.
//!
//! | module | routes |
//! |---|---|
//! | `hostile-common` | `/spin`, `/recurse`, `/bomb`, `/trap`, `/panic`, `/host-panic`, `/counter` |
//! | `cpu` | `/spin-ms?ms=` |
//! | `memory` | `/grow?mib=`, `/handles?kind=fields\|pollables&n=` |
//! | `death` | `/exit?code=`, `/no-answer`, `/answer-twice`, `/answer-error` |
//! | `wait` | `/sleep?ms=`, `/never-returns-from-host`, `/clock` |
//! | `stream` | `/stream?n=&ms=&size=`, `/stream-then-trap`, `/stream-then-hang`, `/body-forever`, `/unfinished-body?length=&ms=`, `/post-return?ms=&how=spin\|sleep` |
//! | `body` | `/echo`, `/slurp?refuse`, `/big?bytes=`, `/headers?n=&size=` |
//! | `wasi` | `/env?name=`, `/args`, `/files?path=`, `/write?path=&text=`, `/connect?addr=`, `/random?bytes=`, `/log-flood?bytes=&to=stdout\|stderr` |
//! | `fetch` | `/fetch?url=`, `/fetch-many?url=&n=`, `/fetch-itself` |
//!
//! Numbers have defaults, values in the query are percent-decoded, and a path that is none of these is a 404. The last
//! segment of the path decides, so that a manifest may mount the guest anywhere.

mod answer;
mod body;
mod cpu;
mod death;
mod fetch;
mod memory;
mod stream;
mod wait;
mod wasi;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::answer::Out;
use hostile_common::Query;

struct Hostile;

wasip2::http::proxy::export!(Hostile);

/// One call: what was asked, and where the answer goes.
pub(crate) struct Call {
    pub(crate) request: IncomingRequest,
    pub(crate) query: Query,
    pub(crate) out: Out,
}

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let route = path.rsplit('/').next().unwrap_or_default();
        run(route, Call { query: Query::parse(query), request, out: Out::new(out) });
    }
}

fn run(route: &str, call: Call) {
    match route {
        "" | "ok" => call.out.text(200, "ok"),
        "spin" => hostile_common::spin(),
        "spin-ms" => cpu::spin_ms(call),
        "recurse" => call.out.text(200, &hostile_common::recurse().to_string()),
        "bomb" => {
            hostile_common::bomb();
            call.out.text(500, "the allocations were optimised away");
        }
        "grow" => memory::grow(call),
        "handles" => memory::handles(call),
        "counter" => call.out.text(200, &hostile_common::count().to_string()),
        "trap" => hostile_common::trap(),
        "panic" => hostile_common::panic(),
        "host-panic" => {
            hostile_common::host_panic();
            call.out.text(200, "the host went on");
        }
        "exit" => death::exit(call),
        "no-answer" => death::no_answer(call),
        "answer-twice" => death::answer_twice(call),
        "answer-error" => death::answer_error(call),
        "sleep" => wait::sleep(call),
        "never-returns-from-host" => wait::never_returns_from_host(call),
        "clock" => wait::clock(call),
        "stream" => stream::stream(call),
        "stream-then-trap" => stream::stream_then_trap(call),
        "stream-then-hang" => stream::stream_then_hang(call),
        "body-forever" => stream::body_forever(call),
        "unfinished-body" => stream::unfinished_body(call),
        "post-return" => stream::post_return(call),
        "echo" => body::echo(call),
        "slurp" => body::slurp(call),
        "big" => body::big(call),
        "headers" => body::headers(call),
        "env" => wasi::env(call),
        "args" => wasi::args(call),
        "files" => wasi::files(call),
        "write" => wasi::write(call),
        "connect" => wasi::connect(call),
        "random" => wasi::random(call),
        "log-flood" => wasi::log_flood(call),
        "fetch" => fetch::fetch(call),
        "fetch-many" => fetch::fetch_many(call),
        "fetch-itself" => fetch::fetch_itself(call),
        _ => call.out.text(404, &format!("no route {route}")),
    }
}
