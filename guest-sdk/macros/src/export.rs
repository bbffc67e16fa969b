//! What all the macros share: one function of the author's becomes one export of the component.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, FnArg, Ident, ItemFn, Type};

/// What holds for every function that becomes an export, and the words for it.
pub(crate) struct Rules {
    /// As the author writes it, `#[skep::http]`.
    pub(crate) attribute: &'static str,
    /// What it makes of the function: "a handler".
    pub(crate) noun: &'static str,
    /// Why the function is not generic.
    pub(crate) concrete: &'static str,
    /// Why it is no method.
    pub(crate) free: &'static str,
    /// What a second one in a crate collides with; it is read in the compiler's message.
    pub(crate) once: &'static str,
}

/// A macro that makes one function one export.
pub(crate) struct Export {
    pub(crate) rules: Rules,
    /// Where that is said which is no argument of the attribute.
    pub(crate) settings: &'static str,
    /// What else cannot be one.
    pub(crate) refuse: fn(&ItemFn) -> Vec<Error>,
    /// Items that ask the compiler about the author's types where the author wrote them.
    pub(crate) check: fn(&ItemFn) -> TokenStream,
    /// The `use`s, and the `impl` of the world's interface for `Plugin`, with the call of `export!`.
    pub(crate) export: fn(&ItemFn) -> TokenStream,
}

impl Export {
    pub(crate) fn expand(&self, arguments: &TokenStream, item: TokenStream) -> TokenStream {
        let function = match self.rules.function(item) {
            Ok(function) => function,
            Err(refused) => return refused,
        };
        // The function stays even where it is refused, lest every use of it be an error of its own.
        if let Some(error) = self.refusal(arguments, &function) {
            let error = error.into_compile_error();
            return quote!(#function #error);
        }
        let name = &function.sig.ident;
        let (check, once, export) = ((self.check)(&function), self.rules.once(name), (self.export)(&function));
        // Natively only the author's tests call the function, and without them nobody does.
        quote! {
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            #function
            #check
            const _: () = { let _ = #name; };
            #once
            #[cfg(target_arch = "wasm32")]
            const _: () = {
                struct Plugin;
                #export
            };
        }
    }

    /// Everything that is wrong with the function, with a way out. All of it is told at once.
    fn refusal(&self, arguments: &TokenStream, function: &ItemFn) -> Option<Error> {
        let mut errors = Vec::new();
        if !arguments.is_empty() {
            let text = format!("{} takes no arguments; {}", self.rules.attribute, self.settings);
            errors.push(Error::new_spanned(arguments, text));
        }
        errors.extend(self.rules.signature(function));
        errors.extend((self.refuse)(function));
        combine(errors)
    }
}

impl Rules {
    /// The item as a function, or what to expand to instead.
    pub(crate) fn function(&self, item: TokenStream) -> Result<ItemFn, TokenStream> {
        syn::parse2::<ItemFn>(item.clone()).map_err(|_| {
            let text = format!("{} stands on a function", self.attribute);
            let error = Error::new_spanned(&item, text).into_compile_error();
            quote!(#item #error)
        })
    }

    /// What is wrong with the function's signature, types aside.
    pub(crate) fn signature(&self, function: &ItemFn) -> Vec<Error> {
        let Self { attribute, noun, concrete, free, .. } = self;
        let mut errors = Vec::new();
        let sig = &function.sig;
        if let Some(token) = &sig.asyncness {
            let text =
                "is a plain `fn`: the host runs each call in an instance of its own, so there is nothing to await";
            errors.push(Error::new_spanned(token, format!("{noun} {text}")));
        }
        if let syn::Safety::Unsafe(token) = &sig.safety {
            errors.push(Error::new_spanned(token, format!("{noun} is a safe function")));
        }
        if let Some(abi) = &sig.abi {
            let text = format!("{noun} is a plain Rust function; {attribute} makes the export");
            errors.push(Error::new_spanned(abi, text));
        }
        if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
            errors.push(Error::new_spanned(&sig.generics, format!("{noun} is not generic: {concrete}")));
        }
        if let Some(receiver @ FnArg::Receiver(_)) = sig.inputs.first() {
            errors.push(Error::new_spanned(receiver, format!("{noun} is a free function: {free}")));
        }
        errors
    }

    /// A name that a crate can have once only, whichever modules its functions are in: an exported macro lives at the
    /// root. Without it two of them would meet as a linker's error about a mangled symbol, and on wasm only.
    pub(crate) fn once(&self, function: &Ident) -> TokenStream {
        let name = Ident::new(self.once, function.span().resolved_at(Span::call_site()));
        quote! {
            #[doc(hidden)]
            #[macro_export]
            macro_rules! #name { () => {}; }
        }
    }
}

/// All of them as one, if there are any.
pub(crate) fn combine(errors: Vec<Error>) -> Option<Error> {
    errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    })
}

/// The types of the arguments.
pub(crate) fn arguments(function: &ItemFn) -> impl Iterator<Item = &Type> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&*typed.ty),
        FnArg::Receiver(_) => None,
    })
}

/// Whether `impl Trait` stands anywhere in the type: then it has no name to ask about.
pub(crate) fn is_impl(ty: &Type) -> bool {
    quote!(#ty).into_iter().any(|token| contains_impl(&token))
}

fn contains_impl(token: &proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "impl",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(|token| contains_impl(&token)),
        _ => false,
    }
}

/// `&str`, for the lifetime of the call.
pub(crate) fn is_text(ty: &Type) -> bool {
    is_short_reference(ty, |inner| matches!(inner, Type::Path(path) if path.path.is_ident("str")))
}

/// A shared reference, for the lifetime of the call, to something that `is` that.
pub(crate) fn is_short_reference(ty: &Type, is: impl FnOnce(&Type) -> bool) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let is_short = reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_");
    is_short && reference.mutability.is_none() && is(&reference.elem)
}
