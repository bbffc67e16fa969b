//! `#[skep::process]` and `#[skep::processes]`.

mod functions;
mod kind;
mod settings;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, Item, ItemImpl, ItemMod, spanned::Spanned};

use crate::{
    export::{Rules, combine},
    many::{self, take_mark},
};
use kind::Kind;

const RULES: Rules = Rules {
    attribute: "#[skep::process]",
    noun: "a process",
    concrete: "its state is saved and read again as one type",
    free: "",
    once: "a_plugin_has_one_skep_process__put_several_into_a_module_under_skep_processes",
};
const MARK: &str = "process";

/// On the `impl` of the plugin's only kind of processes.
pub(crate) fn expand_one(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    let item = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(item) => item,
        Err(_) => {
            let text = "#[skep::process] stands on the `impl` of the type that is the state";
            let error = Error::new_spanned(&item, text).into_compile_error();
            return quote!(#item #error);
        }
    };
    match Kind::new(arguments, item) {
        Ok(kind) => {
            let (items, export) = (kind.items(), export(&[kind]));
            quote!(#items #export)
        }
        Err(refused) => refused.expand(),
    }
}

/// On a module: its marked `impl`s are the plugin's kinds of processes.
pub(crate) fn expand_module(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    let mut module = match syn::parse2::<ItemMod>(item.clone()) {
        Ok(module) if module.content.is_some() => module,
        _ => {
            let text = "#[skep::processes] stands on a module with its processes in it, `mod name { .. }`";
            let error = Error::new_spanned(&item, text).into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut errors = Vec::new();
    if !arguments.is_empty() {
        let text = "#[skep::processes] takes no arguments; each `impl` in the module has its own `#[process]`";
        errors.push(Error::new_spanned(arguments, text));
    }
    let mut kinds: Vec<Kind> = Vec::new();
    let mut items = Vec::new();
    for item in module.content.take().map(|(_, items)| items).unwrap_or_default() {
        let Item::Impl(mut block) = item else {
            items.push(quote!(#item));
            continue;
        };
        let Some(attribute) = take_mark(&mut block.attrs, MARK) else {
            items.push(quote!(#block));
            continue;
        };
        let kind = match many::settings(&attribute) {
            Ok(settings) => Kind::new(&settings, block),
            Err(error) => Err(kind::Refused { item: block, error }),
        };
        match kind {
            Ok(kind) => {
                if kinds.iter().any(|other| other.name == kind.name) {
                    let text =
                        format!("there is a process kind `{}` already; `name = \"..\"` tells them apart", kind.name);
                    errors.push(Error::new_spanned(&kind.item.self_ty, text));
                }
                items.push(kind.items());
                kinds.push(kind);
            }
            Err(refused) => items.push(refused.expand()),
        }
    }
    if kinds.is_empty() && items.is_empty() && errors.is_empty() {
        errors.push(Error::new_spanned(&module.ident, "there is no `impl` under `#[process]` in this module"));
    }
    let ItemMod { attrs, vis, ident, .. } = &module;
    let end = match combine(errors) {
        Some(error) => error.into_compile_error(),
        None => export(&kinds),
    };
    quote!(#(#attrs)* #vis mod #ident { #(#items)* #end })
}

fn export(kinds: &[Kind]) -> TokenStream {
    let Some(first) = kinds.first() else { return TokenStream::new() };
    let once = RULES.once(&Ident::new("process", first.item.self_ty.span().resolved_at(Span::call_site())));
    let types: Vec<_> = kinds.iter().map(|kind| &kind.item.self_ty).collect();
    let names: Vec<_> = kinds.iter().map(|kind| &kind.name).collect();
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
                        #(#names => ::skep_sdk::__private::process_init::<#types>(me, &args),)*
                        other => ::std::result::Result::Err(::skep_sdk::__private::unknown("process kind", other)),
                    }
                }

                fn load(
                    me: process_handler::Identity,
                    version: u32,
                    state: ::std::vec::Vec<u8>,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    match me.kind.as_str() {
                        #(#names => ::skep_sdk::__private::process_load::<#types>(me, version, state),)*
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
