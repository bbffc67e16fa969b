//! The host's side of `skep:plugin`, generated from the canonical text in `guest-sdk/wit`.
//!
//! This is the only `bindgen!` of that package in the host, so that every crate that links or calls a guest speaks of
//! the same types. It generates and re-exports; behaviour lives in `skep-runtime`.

mod generated {
    // Imports are plain host functions except those that wait; exports are async because a guest yields.
    wasmtime::component::bindgen!({
        path: "../../guest-sdk/wit",
        world: "http",
        imports: {
            "skep:plugin/context.fuel-left": store,
            "skep:plugin/cache.[method]bucket.get": async,
            "skep:plugin/cache.[method]bucket.get-entry": async,
            "skep:plugin/cache.[method]bucket.get-many": async,
            "skep:plugin/cache.[method]bucket.put": async,
            "skep:plugin/cache.[method]bucket.put-many": async,
            "skep:plugin/cache.[method]bucket.delete": async,
            "skep:plugin/cache.[method]bucket.take": async,
            "skep:plugin/cache.[method]bucket.touch": async,
            "skep:plugin/cache.[method]bucket.increment": async,
            "skep:plugin/cache.[method]bucket.clear": async,
            "skep:plugin/cache.[method]bucket.fetch": async,
            "skep:plugin/cache.[method]bucket.lock": async,
            "skep:plugin/cache.[method]lease.fill": async,
            "skep:plugin/tasks.[method]running.next": async,
            "skep:plugin/jobs": async,
            "skep:plugin/store": async,
            "skep:plugin/sql.[method]cursor.next": async,
            "skep:plugin/sql.[method]database.query": async,
            "skep:plugin/sql.[method]database.execute": async,
            "skep:plugin/sql.[method]database.begin": async,
            "skep:plugin/sql.[method]transaction.query": async,
            "skep:plugin/sql.[method]transaction.execute": async,
            "skep:plugin/sql.[method]transaction.commit": async,
            "skep:plugin/sql.[method]transaction.rollback": async,
            "skep:plugin/process.start": async,
            "skep:plugin/process.start-or-get": async,
            "skep:plugin/process.whereis": async,
            "skep:plugin/process.list": async,
            "skep:plugin/process.call": async,
            "skep:plugin/process.cast": async,
            "skep:plugin/process.send": async,
            "skep:plugin/process.stop": async,
            "skep:plugin/process.monitor": async,
            "skep:plugin/process.link": async,
            "skep:plugin/process.unlink": async,
        },
        exports: { default: async },
        // What goes to a guest is copied once, into its memory.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The world of one more export, which shares the types of the imports with the others.
macro_rules! world {
    ($module:ident, $world:literal, $ownership:ident $($duplicate:tt)?) => {
        mod $module {
            wasmtime::component::bindgen!({
                path: "../../guest-sdk/wit",
                world: $world,
                exports: { default: async },
                ownership: $ownership $($duplicate)?,
                with: {
                    "skep:plugin/types": crate::generated::skep::plugin::types,
                    "skep:plugin/context": crate::generated::skep::plugin::context,
                    "skep:plugin/cache": crate::generated::skep::plugin::cache,
                    "skep:plugin/pubsub": crate::generated::skep::plugin::pubsub,
                    "skep:plugin/presence": crate::generated::skep::plugin::presence,
                    "skep:plugin/tasks": crate::generated::skep::plugin::tasks,
                    "skep:plugin/jobs": crate::generated::skep::plugin::jobs,
                    "skep:plugin/store": crate::generated::skep::plugin::store,
                    "skep:plugin/sql": crate::generated::skep::plugin::sql,
                    "skep:plugin/process": crate::generated::skep::plugin::process,
                    "skep:plugin/channel": crate::generated::skep::plugin::channel,
                    "skep:plugin/websocket": crate::generated::skep::plugin::websocket,
                },
            });
        }
    };
}

world!(warmers, "warmers", Owning);
// Its messages are the type of an import, of which there is no borrowed form.
world!(subscribers, "subscribers", Owning);
world!(background, "background", Borrowing { duplicate_if_necessary: true });
world!(processes, "processes", Borrowing { duplicate_if_necessary: true });
world!(workers, "workers", Borrowing { duplicate_if_necessary: true });
world!(event_streams, "event-streams", Borrowing { duplicate_if_necessary: true });
world!(sockets, "sockets", Borrowing { duplicate_if_necessary: true });
world!(channels, "channels", Borrowing { duplicate_if_necessary: true });
world!(websockets, "websockets", Borrowing { duplicate_if_necessary: true });

/// `wasi:keyvalue@0.2.0-draft`.
#[allow(missing_docs)]
pub mod keyvalue_draft {
    // What may have to ask a second tier.
    wasmtime::component::bindgen!({
        path: "wit/keyvalue-draft",
        imports: {
            "wasi:keyvalue/store.[method]bucket.get": async,
            "wasi:keyvalue/store.[method]bucket.set": async,
            "wasi:keyvalue/store.[method]bucket.delete": async,
            "wasi:keyvalue/store.[method]bucket.exists": async,
            "wasi:keyvalue/atomics.increment": async,
            "wasi:keyvalue/batch.get-many": async,
            "wasi:keyvalue/batch.set-many": async,
            "wasi:keyvalue/batch.delete-many": async,
        },
    });
    pub use self::wasi::keyvalue::{atomics, batch, store};
}

/// `wasi:keyvalue@0.2.0-draft2`, which changed records and functions under the same names.
#[allow(missing_docs)]
pub mod keyvalue_draft2 {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue-draft2",
        imports: {
            "wasi:keyvalue/store.[method]bucket.get": async,
            "wasi:keyvalue/store.[method]bucket.set": async,
            "wasi:keyvalue/store.[method]bucket.delete": async,
            "wasi:keyvalue/store.[method]bucket.exists": async,
            "wasi:keyvalue/atomics.increment": async,
            "wasi:keyvalue/atomics.swap": async,
            "wasi:keyvalue/atomics.[static]cas.new": async,
            "wasi:keyvalue/atomics.[method]cas.current": async,
            "wasi:keyvalue/batch.get-many": async,
            "wasi:keyvalue/batch.set-many": async,
            "wasi:keyvalue/batch.delete-many": async,
        },
    });
    pub use self::wasi::keyvalue::{atomics, batch, store};
}

pub use background::exports::skep::plugin::task_handler;
pub use background::{Background, BackgroundPre};
pub use channels::exports::skep::plugin::channel_handler;
pub use channels::{Channels, ChannelsPre};
pub use event_streams::exports::skep::plugin::event_stream_handler;
pub use event_streams::{EventStreams, EventStreamsPre};
pub use generated::exports::skep::plugin::http_handler;
pub use generated::skep::plugin::{
    cache, channel, context, jobs, presence, process, pubsub, sql, store, tasks, types, websocket,
};
pub use generated::{Http, HttpPre};
pub use processes::exports::skep::plugin::process_handler;
pub use processes::{Processes, ProcessesPre};
pub use sockets::exports::skep::plugin::socket_handler;
pub use sockets::{Sockets, SocketsPre};
pub use subscribers::exports::skep::plugin::subscriber;
pub use subscribers::{Subscribers, SubscribersPre};
pub use warmers::{Warmers, WarmersPre};
pub use websockets::exports::skep::plugin::websocket_handler;
pub use websockets::{Websockets, WebsocketsPre};
pub use workers::exports::skep::plugin::job_handler;
pub use workers::{Workers, WorkersPre};

/// The version of `skep:plugin` that these bindings speak. A guest built against another patch of the same minor
/// version links too.
pub const PACKAGE_VERSION: &str = "0.1.0";
