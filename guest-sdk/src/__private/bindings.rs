//! What wit-bindgen makes of `wit/plugin.wit`, once for all plugins. Nothing else in the crate is generated or unsafe.
//!
//! The imports are one module and every export world is another that borrows the imports' types from it, so that a
//! plugin pays only for the worlds whose macro it uses, and the worlds of two macros merge into one component.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::restriction,
    clippy::pedantic
)]

pub mod imports {
    wit_bindgen::generate!({ path: "wit", world: "imports" });
}

/// The world of one export, as a module of that name with a macro that exports it.
macro_rules! world {
    ($module:ident, $world:literal, $export:literal, $path:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "wit",
                world: $world,
                with: {
                    "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
                    "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
                    "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
                    "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
                    "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
                    "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
                    "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
                    "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
                    "skep:plugin/sql@0.1.0": crate::__private::bindings::imports::skep::plugin::sql,
                    "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
                    "skep:plugin/channel@0.1.0": crate::__private::bindings::imports::skep::plugin::channel,
                    "skep:plugin/websocket@0.1.0": crate::__private::bindings::imports::skep::plugin::websocket,
                },
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $path,
            });
        }
    };
}

world!(http, "http", "export_http", "skep_sdk::__private::bindings::http");
world!(event_streams, "event-streams", "export_event_streams", "skep_sdk::__private::bindings::event_streams");
world!(workers, "workers", "export_workers", "skep_sdk::__private::bindings::workers");
world!(processes, "processes", "export_processes", "skep_sdk::__private::bindings::processes");
world!(sockets, "sockets", "export_sockets", "skep_sdk::__private::bindings::sockets");
world!(channels, "channels", "export_channels", "skep_sdk::__private::bindings::channels");
world!(websockets, "websockets", "export_websockets", "skep_sdk::__private::bindings::websockets");

// The worlds below exist on wasm only: natively nothing names their records.
#[cfg(target_arch = "wasm32")]
world!(subscribers, "subscribers", "export_subscribers", "skep_sdk::__private::bindings::subscribers");
#[cfg(target_arch = "wasm32")]
world!(background, "background", "export_background", "skep_sdk::__private::bindings::background");
#[cfg(target_arch = "wasm32")]
world!(warmers, "warmers", "export_warmers", "skep_sdk::__private::bindings::warmers");
