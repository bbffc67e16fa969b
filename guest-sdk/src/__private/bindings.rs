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

pub mod http {
    wit_bindgen::generate!({
        path: "wit",
        world: "http",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_http",
        default_bindings_module: "skep_sdk::__private::bindings::http",
    });
}

pub mod event_streams {
    wit_bindgen::generate!({
        path: "wit",
        world: "event-streams",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_event_streams",
        default_bindings_module: "skep_sdk::__private::bindings::event_streams",
    });
}

pub mod workers {
    wit_bindgen::generate!({
        path: "wit",
        world: "workers",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_workers",
        default_bindings_module: "skep_sdk::__private::bindings::workers",
    });
}

pub mod processes {
    wit_bindgen::generate!({
        path: "wit",
        world: "processes",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_processes",
        default_bindings_module: "skep_sdk::__private::bindings::processes",
    });
}

// The worlds below exist on wasm only: natively nothing names their records.
#[cfg(target_arch = "wasm32")]
pub mod subscribers {
    wit_bindgen::generate!({
        path: "wit",
        world: "subscribers",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_subscribers",
        default_bindings_module: "skep_sdk::__private::bindings::subscribers",
    });
}

#[cfg(target_arch = "wasm32")]
pub mod background {
    wit_bindgen::generate!({
        path: "wit",
        world: "background",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_background",
        default_bindings_module: "skep_sdk::__private::bindings::background",
    });
}

#[cfg(target_arch = "wasm32")]
pub mod warmers {
    wit_bindgen::generate!({
        path: "wit",
        world: "warmers",
        with: {
            "skep:plugin/types@0.1.0": crate::__private::bindings::imports::skep::plugin::types,
            "skep:plugin/context@0.1.0": crate::__private::bindings::imports::skep::plugin::context,
            "skep:plugin/cache@0.1.0": crate::__private::bindings::imports::skep::plugin::cache,
            "skep:plugin/pubsub@0.1.0": crate::__private::bindings::imports::skep::plugin::pubsub,
            "skep:plugin/presence@0.1.0": crate::__private::bindings::imports::skep::plugin::presence,
            "skep:plugin/tasks@0.1.0": crate::__private::bindings::imports::skep::plugin::tasks,
            "skep:plugin/jobs@0.1.0": crate::__private::bindings::imports::skep::plugin::jobs,
            "skep:plugin/store@0.1.0": crate::__private::bindings::imports::skep::plugin::store,
            "skep:plugin/process@0.1.0": crate::__private::bindings::imports::skep::plugin::process,
        },
        pub_export_macro: true,
        export_macro_name: "export_warmers",
        default_bindings_module: "skep_sdk::__private::bindings::warmers",
    });
}
