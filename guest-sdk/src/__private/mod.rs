//! What the macros' expansions name. Not part of the public interface: it changes with the macros, without notice.

pub mod bindings;

use crate::{
    FromRequest, Handler,
    channel::{Channel, Connects},
    process::Process,
    pubsub::{FromMessage, subscriber::Heard},
    stream::opener::Opened,
    warmer::Warmed,
    web::Answer,
};
pub use crate::{
    channel::{
        connect::connect,
        export::{
            channel_definition, channel_gone, channel_in, channel_info, channel_join, channel_of, channel_out,
            channel_terminate, channel_unmatched,
        },
    },
    jobs::worker::{Performed, definition, perform, typed_job},
    process::{
        answer::{Fallible, Plain},
        export::{process_definition, replayed},
    },
    pubsub::{Subscriber, subscriber::receive},
    stream::{Opener, open},
    task::{
        Task,
        export::{Done, run, typed_map, typed_start},
    },
    warmer::warm,
    web::{Asked, export::serve},
    websocket::export::{websocket_asked, websocket_close, websocket_info, websocket_message, websocket_open},
};

#[cfg(target_arch = "wasm32")]
pub use crate::process::instance::{
    process_handle, process_init, process_load, process_replay, process_save, process_terminate,
};

/// Holds only for an extractor; called with each argument type, so that the error stands at that type.
pub const fn argument<T: FromRequest>() {}

/// Holds only for an answer; called with the return type, so that the error stands at that type.
pub const fn answer<T: Answer>() {}

/// Holds only for a handler; the check of last resort, for a return type without a name.
pub const fn handler<M, H: Handler<M>>(_: &H) {}

/// Holds only for what a warmer returns; called with the return type, so that the error stands at that type.
pub const fn warmed<T: Warmed>() {}

/// Holds only for what a subscriber takes; called with the type, so that the error stands at it.
pub const fn message<T: FromMessage>() {}

/// Holds only for what a subscriber returns; called with the return type, so that the error stands at that type.
pub const fn heard<T: Heard>() {}

/// Holds only for a subscriber; the check of last resort, for a return type without a name.
pub const fn subscriber<M, S: Subscriber<M>>(_: &S) {}

/// Holds only for what says whether a stream opens; called with the return type, so that the error stands at that type.
pub const fn opened<T: Opened>() {}

/// Holds only for what opens an event stream; the check of last resort, for a return type without a name.
pub const fn opener<M, O: Opener<M>>(_: &O) {}

/// Holds only for a kind of processes; called with a type that is listed, so that the error stands at it.
pub const fn kind<P: Process>() {}

/// Holds only for a channel; called with a type that is listed, so that the error stands at it.
pub const fn channel<C: Channel>() {}

/// Holds only for what says whether a socket opens; called with the return type, so that the error stands at that type.
pub const fn connects<T: Connects>() {}

/// Holds only for what opens a socket; the check of last resort, for a return type without a name.
pub const fn connector<M, F: Asked<M, Answer: Connects>>(_: &F) {}

/// What the host is told that asks for something which this revision has not.
#[must_use]
pub fn unknown(what: &str, name: &str) -> String {
    format!("the plugin has no {what} `{name}`")
}
