//! `#[skep::channel]` and `#[skep::channels]`.

mod block;
mod functions;
mod settings;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, Type, parse_quote, spanned::Spanned};

use crate::{
    blocks::{Blocks, Listed, ask},
    export::Rules,
    process,
};
pub(crate) use block::Channel;

const RULES: Rules = Rules {
    attribute: "#[skep::channel]",
    noun: "a channel",
    concrete: "what it remembers is kept and read again as one type",
    free: "",
    once: "a_plugin_has_one_skep_channel__put_several_into_a_module_under_skep_channels",
};

pub(crate) const CHANNELS: Blocks = Blocks {
    attribute: RULES.attribute,
    of: "the type that the channel remembers",
    mark: "channel",
    module: "#[skep::channels]",
    many: "channels",
    marked: "#[channel(\"room:*\")]",
    part: "#[skep::channel(\"room:*\", part, ..)]",
    other: Some("process"),
    twice: |topics| format!("there is a channel for `{topics}` already"),
    known: |ty| ask(ty, "channel"),
    export,
};

/// Those that are processes are exported as such.
fn export(all: &[Listed]) -> TokenStream {
    let (live, own): (Vec<&Listed>, Vec<_>) = all.iter().partition(|listed| listed.is_other);
    let live: Vec<Type> = live.iter().map(|Listed { ty, .. }| parse_quote!(::skep_sdk::channel::Live<#ty>)).collect();
    let own: Vec<_> = own.iter().map(|Listed { ty, .. }| ty).collect();
    let (processes, channels) = (process::export(&live), handlers(&own));
    quote!(#processes #channels)
}

fn handlers(types: &[&Type]) -> TokenStream {
    let Some(first) = types.first() else { return TokenStream::new() };
    let once = RULES.once(&Ident::new("channel", first.span().resolved_at(Span::call_site())));
    let places: Vec<_> = (0..types.len()).collect();
    let topics = quote!(&[#(<#types as ::skep_sdk::channel::Channel>::TOPICS),*]);
    let of = |of: TokenStream| quote!(::skep_sdk::__private::channel_of(#topics, &#of.topic));
    let (join, message, ended) = (of(quote!(request)), of(quote!(message)), of(quote!(ended)));
    quote! {
        #once
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Plugin;

            use ::skep_sdk::__private::bindings::channels as bindings;
            use bindings::exports::skep::plugin::channel_handler;

            impl channel_handler::Guest for Plugin {
                fn definitions() -> ::std::vec::Vec<channel_handler::Definition> {
                    ::std::vec![#(::skep_sdk::__private::channel_definition::<#types>()),*]
                }

                fn join(
                    request: channel_handler::Joining,
                ) -> ::std::result::Result<channel_handler::Joined, channel_handler::Body> {
                    match #join {
                        #(::std::option::Option::Some(#places) => {
                            ::skep_sdk::__private::channel_join::<#types>(request)
                        })*
                        _ => ::std::result::Result::Err(::skep_sdk::__private::channel_unmatched()),
                    }
                }

                fn handle_in(message: channel_handler::Message) -> ::std::vec::Vec<channel_handler::Action> {
                    match #message {
                        #(::std::option::Option::Some(#places) => ::skep_sdk::__private::channel_in::<#types>(message),)*
                        _ => ::skep_sdk::__private::channel_gone(&message.topic),
                    }
                }

                fn handle_out(message: channel_handler::Message) -> ::std::vec::Vec<channel_handler::Action> {
                    match #message {
                        #(::std::option::Option::Some(#places) => ::skep_sdk::__private::channel_out::<#types>(message),)*
                        _ => ::skep_sdk::__private::channel_gone(&message.topic),
                    }
                }

                fn handle_info(message: channel_handler::Published) -> ::std::vec::Vec<channel_handler::Action> {
                    match #message {
                        #(::std::option::Option::Some(#places) => ::skep_sdk::__private::channel_info::<#types>(message),)*
                        _ => ::skep_sdk::__private::channel_gone(&message.topic),
                    }
                }

                fn terminate(ended: channel_handler::Ended) {
                    match #ended {
                        #(::std::option::Option::Some(#places) => {
                            ::skep_sdk::__private::channel_terminate::<#types>(ended);
                        })*
                        _ => {}
                    }
                }
            }

            bindings::export_channels!(Plugin with_types_in bindings);
        };
    }
}
