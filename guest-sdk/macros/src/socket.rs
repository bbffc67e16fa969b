//! `#[skep::socket]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn};

use crate::{
    export::{Export, Rules},
    gate,
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
    gate::refuse(function, &SOCKET.rules, "it returns `Result<Connected>`: whether the client may open a socket")
}

fn check(function: &ItemFn) -> TokenStream {
    gate::check(function, "connects", "connector")
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
