//! `#[skep::http]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, ReturnType, Type, spanned::Spanned};

use crate::export::{Export, Rules, arguments, is_impl};

/// As many as `skep_sdk::Handler` is implemented for.
pub(crate) const ARGUMENTS_MAX: usize = 12;

pub(crate) const HTTP: Export = Export {
    rules: Rules {
        attribute: "#[skep::http]",
        noun: "a handler",
        concrete: "the host calls it with one request type",
        free: "an instance keeps nothing between requests",
        once: "a_plugin_has_one_skep_http_handler__use_a_Router",
    },
    settings: "routes are written in skep.toml",
    refuse,
    check,
    export,
};

fn refuse(function: &ItemFn) -> Vec<Error> {
    let mut errors = Vec::new();
    let inputs = &function.sig.inputs;
    if inputs.len() > ARGUMENTS_MAX {
        let text =
            format!("a handler takes at most {ARGUMENTS_MAX} extractors; take `Request` and use `req.extract()`");
        errors.push(Error::new_spanned(inputs, text));
    }
    errors.extend(arguments(function).filter_map(|ty| refuse_argument(HTTP.rules.noun, ty)));
    errors
}

pub(crate) fn refuse_argument(noun: &str, ty: &Type) -> Option<Error> {
    match ty {
        Type::Reference(reference) => {
            let owned = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
                Type::Slice(_) => "Bytes".to_owned(),
                other => quote!(#other).to_string(),
            };
            Some(Error::new_spanned(reference, format!("{noun} takes its arguments by value: `{owned}`")))
        }
        Type::ImplTrait(generic) => {
            Some(Error::new_spanned(generic, format!("{noun} is not generic: name the type, `Request` for instance")))
        }
        _ => None,
    }
}

fn check(function: &ItemFn) -> TokenStream {
    let arguments = arguments(function)
        .map(|ty| quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::argument::<#ty>();));
    let answer = match &function.sig.output {
        ReturnType::Default => None,
        // The function as a whole is asked about.
        ReturnType::Type(_, ty) if is_impl(ty) => {
            let name = &function.sig.ident;
            Some(quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::handler(&#name);))
        }
        ReturnType::Type(_, ty) => {
            Some(quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::answer::<#ty>();))
        }
    };
    quote!(#(#arguments)* #answer)
}

fn export(function: &ItemFn) -> TokenStream {
    let handler = &function.sig.ident;
    quote! {
        use ::skep_sdk::__private::bindings::http as bindings;
        use bindings::exports::skep::plugin::http_handler;

        impl http_handler::Guest for Plugin {
            fn handle(request: http_handler::Request) -> http_handler::Response {
                ::skep_sdk::__private::serve(#handler, request)
            }
        }

        bindings::export_http!(Plugin with_types_in bindings);
    }
}
