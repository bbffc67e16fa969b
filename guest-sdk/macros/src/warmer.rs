//! `#[skep::warmer]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, ReturnType, spanned::Spanned};

use crate::export::{Export, Rules, arguments, is_impl, is_text};

pub(crate) const WARMER: Export = Export {
    rules: Rules {
        attribute: "#[skep::warmer]",
        noun: "a warmer",
        concrete: "the host calls it with a name and nothing else",
        free: "an instance keeps nothing between runs",
        once: "a_plugin_has_one_skep_warmer__tell_its_runs_apart_by_their_name",
    },
    settings: "its names and intervals are written in skep.toml",
    refuse,
    check,
    export,
};

fn refuse(function: &ItemFn) -> Vec<Error> {
    let mut errors: Vec<_> = arguments(function)
        .enumerate()
        .filter_map(|(index, ty)| {
            let text = match index {
                0 if is_text(ty) => return None,
                0 => "a warmer takes the name it runs under, as `&str`, or nothing",
                _ => "a warmer takes one argument at most, the name it runs under",
            };
            Some(Error::new_spanned(ty, text))
        })
        .collect();
    if matches!(function.sig.output, ReturnType::Default) {
        let text = "a warmer returns `Result<()>`: the host tries again after an error";
        errors.push(Error::new_spanned(&function.sig.ident, text));
    }
    errors
}

fn check(function: &ItemFn) -> TokenStream {
    match &function.sig.output {
        ReturnType::Default => TokenStream::new(),
        // The function's value is asked about.
        ReturnType::Type(_, ty) if is_impl(ty) => {
            let call = call(function);
            quote_spanned!(ty.span()=> const _: fn(&str) = |name| { let _ = ::skep_sdk::__private::warm(#call); };)
        }
        ReturnType::Type(_, ty) => {
            quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::warmed::<#ty>();)
        }
    }
}

/// The call with a `name: &str` at hand.
fn call(function: &ItemFn) -> TokenStream {
    let warmer = &function.sig.ident;
    if function.sig.inputs.is_empty() { quote!({ let _ = name; #warmer() }) } else { quote!(#warmer(name)) }
}

fn export(function: &ItemFn) -> TokenStream {
    let call = call(function);
    quote! {
        use ::skep_sdk::__private::bindings::warmers as bindings;
        use bindings::exports::skep::plugin::cache_warmer;

        impl cache_warmer::Guest for Plugin {
            fn warm(name: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                let name = name.as_str();
                ::skep_sdk::__private::warm(#call)
            }
        }

        bindings::export_warmers!(Plugin with_types_in bindings);
    }
}
