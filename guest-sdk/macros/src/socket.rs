//! `#[skep::socket]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, ReturnType, spanned::Spanned};

use crate::{
    export::{Export, Rules, arguments, is_impl},
    http::{ARGUMENTS_MAX, refuse_argument},
};

pub(crate) const SOCKET: Export = Export {
    rules: Rules {
        attribute: "#[skep::socket]",
        noun: "what opens a socket",
        concrete: "the host calls it with one request type",
        free: "an instance keeps nothing between sockets",
        once: "a_plugin_has_one_skep_socket__tell_its_mounts_apart_by_the_mount_of_the_Connecting",
    },
    settings: "mounts are written in skep.toml",
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
    errors.extend(arguments(function).filter_map(|ty| refuse_argument(SOCKET.rules.noun, ty)));
    if matches!(function.sig.output, ReturnType::Default) {
        let text = "it returns `Result<Connected>`: whether the client may open a socket";
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
            quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::connects::<#ty>();)
        }
        // The function as a whole is asked about.
        _ => quote_spanned!(name.span()=> const _: () = ::skep_sdk::__private::connector(&#name);),
    };
    quote!(#(#arguments)* #answer)
}

fn export(function: &ItemFn) -> TokenStream {
    let connect = &function.sig.ident;
    quote! {
        use ::skep_sdk::__private::bindings::sockets as bindings;
        use bindings::exports::skep::plugin::socket_handler;

        impl socket_handler::Guest for Plugin {
            fn connect(
                request: socket_handler::Request,
                connecting: socket_handler::Connecting,
            ) -> ::std::result::Result<socket_handler::Connected, ::std::string::String> {
                ::skep_sdk::__private::connect(#connect, request, connecting)
            }
        }

        bindings::export_sockets!(Plugin with_types_in bindings);
    }
}
