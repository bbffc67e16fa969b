//! What the macros share that make one export of several `impl`s: `#[skep::process]` on one, `#[skep::processes]` on a module.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Ident, Item, ItemImpl, ItemMod, ItemUse, Type, UseTree, parse_quote, spanned::Spanned};

use crate::{
    export::combine,
    many::{self, take_mark},
};

/// An `impl` of the author's, read.
pub(crate) trait Block: Sized {
    /// What its attribute and its functions say.
    #[allow(clippy::result_large_err, reason = "once for each `impl`, when it is compiled")]
    fn new(arguments: &TokenStream, item: ItemImpl) -> Result<Self, Refused>;
    /// The author's `impl`, and beside it what the SDK is told.
    fn items(&self) -> TokenStream;
    fn ty(&self) -> Type;
    /// What no two of a plugin have in common.
    fn name(&self) -> &str;
    /// Whether a module elsewhere exports it.
    fn is_part(&self) -> bool;
    /// What the export is to know of it.
    fn listed(&self) -> Listed;
}

/// An `impl` that is none. It stays, lest every use of it be an error of its own.
pub(crate) struct Refused {
    pub(crate) item: ItemImpl,
    pub(crate) error: Error,
}

impl Refused {
    fn expand(self) -> TokenStream {
        let Self { item, error } = self;
        let error = error.into_compile_error();
        quote!(#item #error)
    }
}

/// One of those that are exported.
pub(crate) struct Listed {
    pub(crate) ty: Type,
    /// Whether its attribute has the word for another kind of export.
    pub(crate) is_other: bool,
}

/// A pair of macros.
pub(crate) struct Blocks {
    /// As the author writes it, `#[skep::process]`.
    pub(crate) attribute: &'static str,
    /// What the `impl` is of, "the type that is the state".
    pub(crate) of: &'static str,
    /// How an `impl` in the module is marked, `process`.
    pub(crate) mark: &'static str,
    /// As the author writes it on the module, `#[skep::processes]`.
    pub(crate) module: &'static str,
    /// What is in the module, "processes".
    pub(crate) many: &'static str,
    /// What the mark of an `impl` looks like, `#[process]`.
    pub(crate) marked: &'static str,
    /// What it looks like on an `impl` elsewhere.
    pub(crate) part: &'static str,
    /// The word in the mark of a `use` that says that it is of another kind of export.
    pub(crate) other: Option<&'static str>,
    /// What is said when two have the same name.
    pub(crate) twice: fn(&str) -> String,
    /// What the compiler is asked about a type that is listed.
    pub(crate) known: fn(&Type) -> TokenStream,
    /// The export of all of them.
    pub(crate) export: fn(&[Listed]) -> TokenStream,
}

impl Blocks {
    /// On the plugin's only `impl`.
    pub(crate) fn expand_one<B: Block>(&self, arguments: &TokenStream, item: TokenStream) -> TokenStream {
        let item = match syn::parse2::<ItemImpl>(item.clone()) {
            Ok(item) => item,
            Err(_) => {
                let text = format!("{} stands on the `impl` of {}", self.attribute, self.of);
                let error = Error::new_spanned(&item, text).into_compile_error();
                return quote!(#item #error);
            }
        };
        match B::new(arguments, item) {
            Ok(block) => {
                let (items, export) = (block.items(), (!block.is_part()).then(|| (self.export)(&[block.listed()])));
                quote!(#items #export)
            }
            Err(refused) => refused.expand(),
        }
    }

    /// On a module: its marked `impl`s are the plugin's.
    pub(crate) fn expand_module<B: Block>(&self, arguments: &TokenStream, item: TokenStream) -> TokenStream {
        let Self { module: attribute, many, marked, .. } = self;
        let mut module = match syn::parse2::<ItemMod>(item.clone()) {
            Ok(module) if module.content.is_some() => module,
            _ => {
                let text = format!("{attribute} stands on a module with its {many} in it, `mod name {{ .. }}`");
                let error = Error::new_spanned(&item, text).into_compile_error();
                return quote!(#item #error);
            }
        };
        let mut errors = Vec::new();
        if !arguments.is_empty() {
            let text = format!("{attribute} takes no arguments; each `impl` in the module has its own `{marked}`");
            errors.push(Error::new_spanned(arguments, text));
        }
        let mut names: Vec<String> = Vec::new();
        let mut all = Vec::new();
        let mut items = Vec::new();
        for item in module.content.take().map(|(_, items)| items).unwrap_or_default() {
            match self.found::<B>(item) {
                Found::Not(item) => items.push(quote!(#item)),
                Found::Block(block) => {
                    if names.iter().any(|name| name == block.name()) {
                        errors.push(Error::new_spanned(block.ty(), (self.twice)(block.name())));
                    }
                    items.push(block.items());
                    names.push(block.name().to_owned());
                    all.push(block.listed());
                }
                Found::Use(item, listed) => {
                    let known = (self.known)(&listed.ty);
                    items.push(quote!(#item const _: () = #known;));
                    all.push(listed);
                }
                Found::Refused(item, error) => {
                    items.push(item);
                    errors.push(error);
                }
            }
        }
        if all.is_empty() && errors.is_empty() {
            let text = format!("there is no `impl` under `{marked}` in this module");
            errors.push(Error::new_spanned(&module.ident, text));
        }
        let ItemMod { attrs, vis, ident, .. } = &module;
        let end = match combine(errors) {
            Some(error) => error.into_compile_error(),
            None => (self.export)(&all),
        };
        quote!(#(#attrs)* #vis mod #ident { #(#items)* #end })
    }

    fn found<B: Block>(&self, mut item: Item) -> Found<B> {
        let mark = match &mut item {
            Item::Impl(block) => take_mark(&mut block.attrs, self.mark),
            Item::Use(import) => take_mark(&mut import.attrs, self.mark),
            _ => None,
        };
        let Some(mark) = mark else { return Found::Not(item) };
        let settings = match many::settings(&mark) {
            Ok(settings) => settings,
            Err(error) => return Found::Refused(quote!(#item), error),
        };
        match item {
            Item::Impl(block) => match B::new(&settings, block) {
                Ok(block) if block.is_part() => {
                    let text = "it is in the module already: `part` is for an `impl` elsewhere";
                    Found::Refused(block.items(), Error::new_spanned(settings, text))
                }
                Ok(block) => Found::Block(block),
                Err(Refused { item, error }) => Found::Refused(quote!(#item), error),
            },
            Item::Use(import) => self.import(import, &settings),
            other => Found::Not(other),
        }
    }

    fn import<B>(&self, import: ItemUse, settings: &TokenStream) -> Found<B> {
        let Self { part, mark, other, .. } = self;
        let is_other = other.is_some_and(|word| settings.to_string() == word);
        let name = imported(&import.tree).cloned();
        match name {
            Some(_) if !settings.is_empty() && !is_other => {
                let text = format!("its settings stand where its `impl` is: `{part}`");
                Found::Refused(quote!(#import), Error::new_spanned(settings, text))
            }
            Some(name) => Found::Use(import, Listed { ty: parse_quote!(#name), is_other }),
            None => {
                let text = format!("name one type: `#[{mark}] use super::cart::Cart;`");
                let error = Error::new_spanned(&import.tree, text);
                Found::Refused(quote!(#import), error)
            }
        }
    }
}

/// An item of the module.
enum Found<B> {
    Not(Item),
    Block(B),
    /// A type whose `impl` stands elsewhere, as a part.
    Use(ItemUse, Listed),
    Refused(TokenStream, Error),
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

/// Asks the compiler about a type, at the place where it stands.
pub(crate) fn ask(ty: &Type, function: &str) -> TokenStream {
    let function = Ident::new(function, Span::call_site());
    quote_spanned!(ty.span()=> ::skep_sdk::__private::#function::<#ty>())
}
