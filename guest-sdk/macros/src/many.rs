//! What the macros share that make one export of several functions: `#[skep::task]` on one, `#[skep::tasks]` on a module.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, Error, Item, ItemFn, ItemMod, Meta};

use crate::export::{Rules, combine};

/// A pair of macros.
pub(crate) struct Many<S> {
    /// What holds for each of the functions.
    pub(crate) rules: Rules,
    /// How a function in the module is marked, `task`.
    pub(crate) mark: &'static str,
    /// As the author writes it on the module, `#[skep::tasks]`.
    pub(crate) module: &'static str,
    /// What the attribute of a function says.
    pub(crate) settings: fn(&TokenStream, &ItemFn) -> Result<S, Error>,
    /// What else cannot be one.
    pub(crate) refuse: fn(&ItemFn) -> Vec<Error>,
    /// Items beside the function: what asks the compiler about the author's types, and what the author calls.
    pub(crate) beside: fn(&ItemFn, &S) -> TokenStream,
    /// The `use`s, and the `impl` of the world's interface for `Plugin`, with the call of `export!`.
    pub(crate) export: fn(&[Entry<S>]) -> TokenStream,
}

/// One of the functions.
pub(crate) struct Entry<S> {
    pub(crate) function: Ident,
    /// Its name in the host: that of the function.
    pub(crate) name: String,
    /// What its attribute says.
    pub(crate) settings: S,
}

impl<S> Many<S> {
    /// On a function that is the only one of the plugin.
    pub(crate) fn expand_one(&self, arguments: &TokenStream, item: TokenStream) -> TokenStream {
        let function = match self.rules.function(item) {
            Ok(function) => function,
            Err(refused) => return refused,
        };
        match self.entry(arguments, &function) {
            Ok(entry) => {
                let (items, export) = (self.items(&function, &entry.settings), self.exported(&[entry]));
                quote!(#items #export)
            }
            Err(error) => {
                let error = error.into_compile_error();
                quote!(#function #error)
            }
        }
    }

    /// On a module: its marked functions are the plugin's.
    pub(crate) fn expand_module(&self, arguments: &TokenStream, item: TokenStream) -> TokenStream {
        let Self { module: attribute, mark, .. } = self;
        let mut module = match syn::parse2::<ItemMod>(item.clone()) {
            Ok(module) if module.content.is_some() => module,
            _ => {
                let text = format!("{attribute} stands on a module with its functions in it, `mod name {{ .. }}`");
                let error = Error::new_spanned(&item, text).into_compile_error();
                return quote!(#item #error);
            }
        };
        let mut errors = Vec::new();
        if !arguments.is_empty() {
            let text = format!("{attribute} takes no arguments; each function in the module has its own `#[{mark}]`");
            errors.push(Error::new_spanned(arguments, text));
        }
        let mut entries = Vec::new();
        let mut items = Vec::new();
        for item in module.content.take().map(|(_, items)| items).unwrap_or_default() {
            let Item::Fn(mut function) = item else {
                items.push(quote!(#item));
                continue;
            };
            let Some(attribute) = take_mark(&mut function.attrs, mark) else {
                items.push(quote!(#function));
                continue;
            };
            match settings(&attribute).and_then(|settings| self.entry(&settings, &function)) {
                Ok(entry) => {
                    items.push(self.items(&function, &entry.settings));
                    entries.push(entry);
                }
                Err(error) => {
                    errors.push(error);
                    items.push(quote!(#function));
                }
            }
        }
        if entries.is_empty() && errors.is_empty() {
            let text = format!("there is no function under `#[{mark}]` in this module");
            errors.push(Error::new_spanned(&module.ident, text));
        }
        let ItemMod { attrs, vis, ident, .. } = &module;
        let end = match combine(errors) {
            Some(error) => error.into_compile_error(),
            None => self.exported(&entries),
        };
        quote!(#(#attrs)* #vis mod #ident { #(#items)* #end })
    }

    /// What the host knows of a function, or everything that is wrong with it.
    fn entry(&self, arguments: &TokenStream, function: &ItemFn) -> Result<Entry<S>, Error> {
        let mut errors = self.rules.signature(function);
        errors.extend((self.refuse)(function));
        let ident = &function.sig.ident;
        let name = ident.to_string().trim_start_matches("r#").to_owned();
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            let text = format!(
                "the host knows {} by the function's name: lower-case ASCII letters, digits and `_`",
                self.rules.noun
            );
            errors.push(Error::new_spanned(ident, text));
        }
        match ((self.settings)(arguments, function), combine(errors)) {
            (Ok(settings), None) => Ok(Entry { function: ident.clone(), name, settings }),
            (Ok(_), Some(error)) | (Err(error), None) => Err(error),
            (Err(error), Some(mut all)) => {
                all.combine(error);
                Err(all)
            }
        }
    }

    /// The function with what stands beside it.
    fn items(&self, function: &ItemFn, settings: &S) -> TokenStream {
        let name = &function.sig.ident;
        let beside = (self.beside)(function, settings);
        quote! {
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            #function
            #beside
            const _: () = { let _ = #name; };
        }
    }

    fn exported(&self, entries: &[Entry<S>]) -> TokenStream {
        let once = entries.first().map(|entry| self.rules.once(&entry.function));
        let export = (self.export)(entries);
        quote! {
            #once
            #[cfg(target_arch = "wasm32")]
            const _: () = {
                struct Plugin;
                #export
            };
        }
    }
}

/// Removes `#[task]`, or `#[skep::task]`, from a function's attributes.
pub(crate) fn take_mark(attributes: &mut Vec<Attribute>, mark: &str) -> Option<Attribute> {
    let is_mark = |attribute: &Attribute| {
        let mut segments = attribute.path().segments.iter();
        let (first, second, third) = (segments.next(), segments.next(), segments.next());
        match (first, second, third) {
            (Some(name), None, _) => name.ident == mark,
            (Some(skep), Some(name), None) => skep.ident == "skep" && name.ident == mark,
            _ => false,
        }
    };
    let index = attributes.iter().position(is_mark)?;
    Some(attributes.remove(index))
}

/// What stands between the attribute's parentheses.
pub(crate) fn settings(attribute: &Attribute) -> Result<TokenStream, Error> {
    match &attribute.meta {
        Meta::Path(_) => Ok(TokenStream::new()),
        Meta::List(list) => Ok(list.tokens.clone()),
        Meta::NameValue(value) => Err(Error::new_spanned(value, "write its arguments in parentheses")),
    }
}
