//! `#[skep::process]` and `#[skep::processes]`.

mod functions;
mod kind;
mod settings;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Ident, Item, ItemImpl, ItemMod, ItemUse, Type, UseTree, parse_quote, spanned::Spanned};

use crate::{
    export::{Rules, combine},
    many::{self, take_mark},
};
use kind::{Kind, Refused};

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
            let (items, export) = (kind.items(), (!kind.is_part()).then(|| export(&[kind.ty()])));
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
    let mut names = Vec::new();
    let mut types = Vec::new();
    let mut items = Vec::new();
    for item in module.content.take().map(|(_, items)| items).unwrap_or_default() {
        match listed(item) {
            Listed::Not(item) => items.push(quote!(#item)),
            Listed::Kind(kind) => {
                if names.contains(&kind.name) {
                    let text =
                        format!("there is a process kind `{}` already; `name = \"..\"` tells them apart", kind.name);
                    errors.push(Error::new_spanned(&kind.item.self_ty, text));
                }
                items.push(kind.items());
                types.push(kind.ty());
                names.push(kind.name);
            }
            Listed::Use(item, ty) => {
                let known = quote_spanned!(ty.span()=> ::skep_sdk::__private::kind::<#ty>());
                items.push(quote!(#item const _: () = #known;));
                types.push(ty);
            }
            Listed::Refused(item, error) => {
                items.push(item);
                errors.push(error);
            }
        }
    }
    if types.is_empty() && errors.is_empty() {
        let text = "there is no `impl` under `#[process]` in this module";
        errors.push(Error::new_spanned(&module.ident, text));
    }
    let ItemMod { attrs, vis, ident, .. } = &module;
    let end = match combine(errors) {
        Some(error) => error.into_compile_error(),
        None => export(&types),
    };
    quote!(#(#attrs)* #vis mod #ident { #(#items)* #end })
}

/// An item of the module.
enum Listed {
    Not(Item),
    Kind(Kind),
    /// A type whose `impl` stands elsewhere, as a part.
    Use(ItemUse, Type),
    Refused(TokenStream, Error),
}

fn listed(mut item: Item) -> Listed {
    let mark = match &mut item {
        Item::Impl(block) => take_mark(&mut block.attrs, MARK),
        Item::Use(import) => take_mark(&mut import.attrs, MARK),
        _ => None,
    };
    let Some(mark) = mark else { return Listed::Not(item) };
    let settings = match many::settings(&mark) {
        Ok(settings) => settings,
        Err(error) => return Listed::Refused(quote!(#item), error),
    };
    match item {
        Item::Impl(block) => match Kind::new(&settings, block) {
            Ok(kind) if kind.is_part() => {
                let text = "it is in the module already: `part` is for an `impl` elsewhere";
                Listed::Refused(kind.items(), Error::new_spanned(settings, text))
            }
            Ok(kind) => Listed::Kind(kind),
            Err(Refused { item, error }) => Listed::Refused(quote!(#item), error),
        },
        Item::Use(import) => match imported(&import.tree).cloned() {
            Some(_) if !settings.is_empty() => {
                let text = "its settings stand where its `impl` is: `#[skep::process(part, ..)]`";
                Listed::Refused(quote!(#import), Error::new_spanned(settings, text))
            }
            Some(name) => Listed::Use(import, parse_quote!(#name)),
            None => {
                let error = Error::new_spanned(&import.tree, "name one type: `#[process] use super::cart::Cart;`");
                Listed::Refused(quote!(#import), error)
            }
        },
        other => Listed::Not(other),
    }
}

/// What a `use` of one thing brings.
fn imported(tree: &UseTree) -> Option<&Ident> {
    match tree {
        UseTree::Path(path) => imported(&path.tree),
        UseTree::Name(name) => Some(&name.ident),
        UseTree::Rename(rename) => Some(&rename.rename),
        UseTree::Glob(_) | UseTree::Group(_) => None,
    }
}

fn export(types: &[Type]) -> TokenStream {
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
