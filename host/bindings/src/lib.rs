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
            "skep:plugin/cache.[method]bucket.fetch": async,
            "skep:plugin/cache.[method]bucket.lock": async,
        },
        exports: { default: async },
        // What goes to a guest is copied once, into its memory.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

mod warmers {
    wasmtime::component::bindgen!({
        path: "../../guest-sdk/wit",
        world: "warmers",
        exports: { default: async },
        with: {
            "skep:plugin/types": crate::generated::skep::plugin::types,
            "skep:plugin/context": crate::generated::skep::plugin::context,
            "skep:plugin/cache": crate::generated::skep::plugin::cache,
        },
    });
}

/// `wasi:keyvalue@0.2.0-draft`.
#[allow(missing_docs)]
pub mod keyvalue_draft {
    wasmtime::component::bindgen!({ path: "wit/keyvalue-draft" });
    pub use self::wasi::keyvalue::{atomics, batch, store};
}

/// `wasi:keyvalue@0.2.0-draft2`, which changed records and functions under the same names.
#[allow(missing_docs)]
pub mod keyvalue_draft2 {
    wasmtime::component::bindgen!({ path: "wit/keyvalue-draft2" });
    pub use self::wasi::keyvalue::{atomics, batch, store};
}

pub use generated::exports::skep::plugin::http_handler;
pub use generated::skep::plugin::{cache, context, types};
pub use generated::{Http, HttpPre};
pub use warmers::{Warmers, WarmersPre};

/// The version of `skep:plugin` that these bindings speak. A guest built against another patch of the same minor
/// version links too.
pub const PACKAGE_VERSION: &str = "0.1.0";
