//! `#[skep::event_stream]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn};

use crate::{
    export::{Export, Rules},
    gate,
};

pub(crate) const EVENT_STREAM: Export = Export {
    rules: Rules {
        attribute: "#[skep::event_stream]",
        noun: "what opens an event stream",
        concrete: "the host calls it with one request type",
        free: "an instance keeps nothing between streams",
        once: "a_plugin_has_one_skep_event_stream__tell_its_routes_apart_by_the_topic_of_the_Opening",
    },
    settings: "routes and their topics are written in skep.toml",
    refuse,
    check,
    export,
};

fn refuse(function: &ItemFn) -> Vec<Error> {
    gate::refuse(function, &EVENT_STREAM.rules, "it returns `Result<EventStream>`: whether the client may listen")
}

fn check(function: &ItemFn) -> TokenStream {
    gate::check(function, "opened", "opener")
}

fn export(function: &ItemFn) -> TokenStream {
    let opener = &function.sig.ident;
    quote! {
        use ::skep_sdk::__private::bindings::event_streams as bindings;
        use bindings::exports::skep::plugin::event_stream_handler;

        impl event_stream_handler::Guest for Plugin {
            fn open(
                request: event_stream_handler::Request,
                opening: event_stream_handler::Opening,
            ) -> event_stream_handler::Decision {
                ::skep_sdk::__private::open(#opener, request, opening)
            }
        }

        bindings::export_event_streams!(Plugin with_types_in bindings);
    }
}
