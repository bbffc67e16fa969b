//! What `#[skep::event_stream]` and `#[skep::socket]` share: functions that are asked once whether a client may, with extractors of its
//! request.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, Ident, ItemFn, ReturnType, spanned::Spanned};

use crate::{
    export::{Rules, arguments, is_impl},
    http::{ARGUMENTS_MAX, refuse_argument},
};

/// What is wrong with its signature; `returns` says what it has to return.
pub(crate) fn refuse(function: &ItemFn, rules: &Rules, returns: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    let inputs = &function.sig.inputs;
    if inputs.len() > ARGUMENTS_MAX {
        let text = format!("it takes at most {ARGUMENTS_MAX} extractors; take `Request` and use `req.extract()`");
        errors.push(Error::new_spanned(inputs, text));
    }
    errors.extend(arguments(function).filter_map(|ty| refuse_argument(rules.noun, ty)));
    if matches!(function.sig.output, ReturnType::Default) {
        errors.push(Error::new_spanned(&function.sig.ident, returns));
    }
    errors
}

/// Has the compiler look at its types: the arguments, and the answer by `answers`, or the whole function by `whole`.
pub(crate) fn check(function: &ItemFn, answers: &str, whole: &str) -> TokenStream {
    let arguments = arguments(function)
        .map(|ty| quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::argument::<#ty>();));
    let name = &function.sig.ident;
    let answer = match &function.sig.output {
        ReturnType::Type(_, ty) if !is_impl(ty) => {
            let answers = Ident::new(answers, ty.span());
            quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::#answers::<#ty>();)
        }
        // The function as a whole is asked about.
        _ => {
            let whole = Ident::new(whole, name.span());
            quote_spanned!(name.span()=> const _: () = ::skep_sdk::__private::#whole(&#name);)
        }
    };
    quote!(#(#arguments)* #answer)
}
