//! The host's side of `skep:plugin`, generated from the canonical text in `guest-sdk/wit`.
//!
//! This is the only `bindgen!` of that package in the host, so that every crate that links or calls a guest speaks of
//! the same types. It generates and re-exports; behaviour lives in `skep-runtime`.

mod generated {
    // Imports are plain host functions because none of today's waits; exports are async because a guest yields.
    wasmtime::component::bindgen!({
        path: "../../guest-sdk/wit",
        world: "http",
        exports: { default: async },
        // What goes to a guest is copied once, into its memory.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub use generated::exports::skep::plugin::http_handler;
pub use generated::skep::plugin::context;
pub use generated::{Http, HttpPre};

/// The version of `skep:plugin` that these bindings speak. A guest built against another patch of the same minor
/// version links too.
pub const PACKAGE_VERSION: &str = "0.1.0";
