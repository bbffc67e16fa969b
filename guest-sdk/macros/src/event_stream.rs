//! `#[skep::event_stream]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, ReturnType, spanned::Spanned};

use crate::{
    export::{Export, Rules, arguments, is_impl},
    http::{ARGUMENTS_MAX, refuse_argument},
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
    let mut errors = Vec::new();
    let inputs = &function.sig.inputs;
    if inputs.len() > ARGUMENTS_MAX {
        let text = format!("it takes at most {ARGUMENTS_MAX} extractors; take `Request` and use `req.extract()`");
        errors.push(Error::new_spanned(inputs, text));
    }
    errors.extend(arguments(function).filter_map(|ty| refuse_argument(EVENT_STREAM.rules.noun, ty)));
    if matches!(function.sig.output, ReturnType::Default) {
        let text = "it returns `Result<EventStream>`: whether the client may listen";
        errors.push(Error::new_spanned(&function.sig.ident, text));
    }
    errors
}

fn check(function: &ItemFn) -> TokenStream {
    let arguments = arguments(function)
        .map(|ty| quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::argument::<#ty>();));
    let name = &function.sig.ident;
    let answer = match &function.sig.output {
        ReturnType::Type(_, ty) if !is_impl(ty) => {
            quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::opened::<#ty>();)
        }
        // The function as a whole is asked about.
        _ => quote_spanned!(name.span()=> const _: () = ::skep_sdk::__private::opener(&#name);),
    };
    quote!(#(#arguments)* #answer)
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
