//! `#[skep::process]` and `#[skep::processes]`.

mod functions;
mod kind;
mod settings;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, Type, spanned::Spanned};

use crate::{
    blocks::{Blocks, Listed, ask},
    export::Rules,
};
pub(crate) use kind::Kind;
pub(crate) use settings::{is_name, kebab};

const RULES: Rules = Rules {
    attribute: "#[skep::process]",
    noun: "a process",
    concrete: "its state is saved and read again as one type",
    free: "",
    once: "a_plugin_has_one_skep_process__put_several_into_a_module_under_skep_processes",
};

pub(crate) const PROCESSES: Blocks = Blocks {
    attribute: RULES.attribute,
    of: "the type that is the state",
    mark: "process",
    module: "#[skep::processes]",
    many: "processes",
    marked: "#[process]",
    part: "#[skep::process(part, ..)]",
    other: None,
    twice: |name| format!("there is a process kind `{name}` already; `name = \"..\"` tells them apart"),
    known: |ty| ask(ty, "kind"),
    export: |all| export(&all.iter().map(|Listed { ty, .. }| ty.clone()).collect::<Vec<_>>()),
};

pub(crate) fn export(types: &[Type]) -> TokenStream {
    let Some(first) = types.first() else { return TokenStream::new() };
    let once = RULES.once(&Ident::new("process", first.span().resolved_at(Span::call_site())));
    let kinds: Vec<_> = types.iter().map(|ty| quote!(<#ty as ::skep_sdk::process::Process>::KIND)).collect();
    quote! {
        #once
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Plugin;

            use ::skep_sdk::__private::bindings::processes as bindings;
            use bindings::exports::skep::plugin::process_handler;

            impl process_handler::Guest for Plugin {
                fn definitions() -> ::std::vec::Vec<process_handler::Definition> {
                    ::std::vec![#(::skep_sdk::__private::process_definition::<#types>()),*]
                }

                fn init(
                    me: process_handler::Identity,
                    args: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<process_handler::Next, ::std::string::String> {
                    match me.kind.as_str() {
                        #(kind if kind == #kinds => ::skep_sdk::__private::process_init::<#types>(me, &args),)*
                        other => ::std::result::Result::Err(::skep_sdk::__private::unknown("process kind", other)),
                    }
                }

                fn load(
                    me: process_handler::Identity,
                    version: u32,
                    state: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    match me.kind.as_str() {
                        #(kind if kind == #kinds => ::skep_sdk::__private::process_load::<#types>(me, version, state),)*
                        other => ::std::result::Result::Err(::skep_sdk::__private::unknown("process kind", other)),
                    }
                }

                fn replay(
                    events: ::std::vec::Vec<::std::vec::Vec<u8>>,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    ::skep_sdk::__private::process_replay(&events)
                }

                fn handle(event: process_handler::Event) -> process_handler::Next {
                    ::skep_sdk::__private::process_handle(event)
                }

                fn save() -> ::std::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                    ::skep_sdk::__private::process_save()
                }

                fn terminate(reason: ::std::string::String) {
                    ::skep_sdk::__private::process_terminate(&reason)
                }
            }

            bindings::export_processes!(Plugin with_types_in bindings);
        };
    }
}
