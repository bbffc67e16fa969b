//! `#[skep::http]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, Ident, ItemFn, ReturnType, Type, spanned::Spanned};

/// As many as `skep_sdk::Handler` is implemented for.
const ARGUMENTS_MAX: usize = 12;

pub(crate) fn expand(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = Error::new_spanned(&item, "#[skep::http] stands on a function").into_compile_error();
            return quote!(#item #error);
        }
    };
    // The function stays even where it is refused, lest every use of it be an error of its own.
    match refuse(arguments, &function) {
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#function #error)
        }
        Ok(()) => {
            let (check, once, export) = (check(&function), once(&function.sig.ident), export(&function.sig.ident));
            // Natively only the author's tests call a handler, and without them nobody does.
            quote!(#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))] #function #check #once #export)
        }
    }
}

/// Everything that cannot be a handler, with a way out. All of it is told at once.
fn refuse(arguments: &TokenStream, function: &ItemFn) -> Result<(), Error> {
    let mut errors = Vec::new();
    let sig = &function.sig;
    if !arguments.is_empty() {
        let text = "#[skep::http] takes no arguments; routes are written in skep.toml";
        errors.push(Error::new_spanned(arguments, text));
    }
    if let Some(token) = &sig.asyncness {
        let text = "a handler is a plain `fn`: the host runs each call in an instance of its own, so there is nothing to await";
        errors.push(Error::new_spanned(token, text));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.push(Error::new_spanned(token, "a handler is a safe function"));
    }
    if let Some(abi) = &sig.abi {
        errors.push(Error::new_spanned(abi, "a handler is a plain Rust function; #[skep::http] makes the export"));
    }
    if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        errors.push(Error::new_spanned(
            &sig.generics,
            "a handler is not generic: the host calls it with one request type",
        ));
    }
    if sig.inputs.len() > ARGUMENTS_MAX {
        let text =
            format!("a handler takes at most {ARGUMENTS_MAX} extractors; take `Request` and use `req.extract()`");
        errors.push(Error::new_spanned(&sig.inputs, text));
    }
    errors.extend(sig.inputs.iter().filter_map(refuse_argument));
    errors
        .into_iter()
        .reduce(|mut all, error| {
            all.combine(error);
            all
        })
        .map_or(Ok(()), Err)
}

fn refuse_argument(argument: &FnArg) -> Option<Error> {
    match argument {
        FnArg::Receiver(receiver) => Some(Error::new_spanned(
            receiver,
            "a handler is a free function: an instance keeps nothing between requests",
        )),
        FnArg::Typed(typed) => match &*typed.ty {
            Type::Reference(reference) => {
                let owned = match &*reference.elem {
                    Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
                    Type::Slice(_) => "Bytes".to_owned(),
                    other => quote!(#other).to_string(),
                };
                Some(Error::new_spanned(reference, format!("a handler takes its arguments by value: `{owned}`")))
            }
            Type::ImplTrait(generic) => {
                Some(Error::new_spanned(generic, "a handler is not generic: name the type, `Request` for instance"))
            }
            _ => None,
        },
    }
}

/// Asks the compiler about each type where the author wrote it.
fn check(function: &ItemFn) -> TokenStream {
    let arguments = function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => {
            let ty = &typed.ty;
            Some(quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::argument::<#ty>();))
        }
        FnArg::Receiver(_) => None,
    });
    let answer = match &function.sig.output {
        ReturnType::Default => None,
        // It has no name to ask about, so the function as a whole is asked about.
        ReturnType::Type(_, ty) if is_impl(ty) => {
            let name = &function.sig.ident;
            Some(quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::handler(&#name);))
        }
        ReturnType::Type(_, ty) => {
            Some(quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::answer::<#ty>();))
        }
    };
    // Natively nothing calls the handler, and an unused function would be warned about.
    let name = &function.sig.ident;
    quote! {
        #(#arguments)*
        #answer
        const _: () = { let _ = #name; };
    }
}

/// Whether `impl Trait` stands anywhere in the type.
fn is_impl(ty: &Type) -> bool {
    quote!(#ty).into_iter().any(|token| contains_impl(&token))
}

fn contains_impl(token: &proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "impl",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(|token| contains_impl(&token)),
        _ => false,
    }
}

/// A name that a crate can have once only, whichever modules its handlers are in: an exported macro lives at the root.
/// Without it two handlers would meet as a linker's error about a mangled symbol, and on wasm only.
fn once(handler: &Ident) -> TokenStream {
    let name =
        Ident::new("a_plugin_has_one_skep_http_handler__use_a_Router", handler.span().resolved_at(Span::call_site()));
    quote! {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! #name { () => {}; }
    }
}

fn export(handler: &Ident) -> TokenStream {
    quote! {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use ::skep_sdk::__private::bindings::http as bindings;
            use bindings::exports::skep::plugin::http_handler;

            struct Plugin;

            impl http_handler::Guest for Plugin {
                fn handle(request: http_handler::Request) -> http_handler::Response {
                    ::skep_sdk::__private::serve(#handler, request)
                }
            }

            bindings::export_http!(Plugin with_types_in bindings);
        };
    }
}
