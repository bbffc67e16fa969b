//! One type of channels: the author's `impl`, and what the SDK is told of it.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Error, ImplItem, ItemImpl, Type, spanned::Spanned};

use super::{
    RULES,
    functions::{Function, Role},
    settings::Settings,
};
use crate::{
    blocks::{Block, Listed, Refused},
    export::combine,
    process::{is_name, kebab},
};

pub(crate) struct Channel {
    item: ItemImpl,
    name: String,
    settings: Settings,
    functions: Vec<Function>,
}

impl Block for Channel {
    fn new(arguments: &TokenStream, item: ItemImpl) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        if let Some((path, _)) = &item.trait_ {
            let text = "#[skep::channel] stands on an `impl` of the type itself, not of a trait";
            errors.push(Error::new_spanned(path, text));
        }
        if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
            let text = format!("{} is not generic: {}", RULES.noun, RULES.concrete);
            errors.push(Error::new_spanned(&item.generics, text));
        }
        let mut functions = Vec::new();
        let mut joins = false;
        for item in &item.items {
            let ImplItem::Fn(function) = item else { continue };
            let Some(role) = Role::of(&function.sig.ident) else { continue };
            joins |= role == Role::Join;
            match Function::new(role, function) {
                Ok(function) => functions.push(function),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !joins && item.trait_.is_none() {
            let text = "a channel begins with `join`: `fn join(params: Params, socket: &mut Socket) -> Result<Self>`, \
                        or without arguments";
            errors.push(Error::new_spanned(&item.self_ty, text));
        }
        let settings = Settings::new(arguments).map_err(|error| errors.push(error)).ok();
        if let Some(settings) = &settings {
            errors.extend(intercepts(settings, &functions, &item.self_ty));
        }
        let name = settings.as_ref().and_then(|settings| settings.name.clone()).or_else(|| own_name(&item.self_ty));
        let name = name.unwrap_or_else(|| {
            let text = "the channel has no name that the host can use: lower-case ASCII letters, digits, `-` and `_`; \
                        say `name = \"..\"`";
            errors.push(Error::new_spanned(&item.self_ty, text));
            String::new()
        });
        match (combine(errors), settings) {
            (None, Some(settings)) => Ok(Self { item, name, settings, functions }),
            (Some(error), _) => Err(Refused { item, error }),
            (None, None) => Err(Refused { item, error: Error::new(Span::call_site(), "no settings") }),
        }
    }

    fn items(&self) -> TokenStream {
        let Self { item, name, settings, functions } = self;
        let ty = &item.self_ty;
        let Settings { topics, intercepts, .. } = settings;
        let has = |role| functions.iter().any(|function| function.role == role);
        let (hears, terminates) = (has(Role::Info), has(Role::Terminate));
        let functions = functions.iter().map(Function::implemented);
        // Errors about the type stand at it.
        let span = Span::call_site().located_at(ty.span());
        quote_spanned! {span=>
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            #item

            impl ::skep_sdk::channel::Channel for #ty {
                const TOPICS: &'static str = #topics;
                const NAME: &'static str = #name;
                const INTERCEPTS: &'static [&'static str] = &[#(#intercepts),*];
                const HEARS: bool = #hears;
                const TERMINATES: bool = #terminates;

                #(#functions)*
            }
        }
    }

    fn ty(&self) -> Type {
        (*self.item.self_ty).clone()
    }

    fn name(&self) -> &str {
        &self.settings.topics
    }

    fn is_part(&self) -> bool {
        self.settings.is_part
    }

    fn listed(&self) -> Listed {
        Listed { ty: self.ty(), is_other: self.settings.is_process }
    }
}

/// A broadcast that is intercepted reaches nobody unless `handle_out` pushes it; and without an intercepted event nobody
/// calls that.
fn intercepts(settings: &Settings, functions: &[Function], ty: &Type) -> Option<Error> {
    let handles = functions.iter().any(|function| function.role == Role::Out);
    let text = match (settings.intercepts.is_empty(), handles) {
        (true, true) => "`handle_out` is for broadcasts that are intercepted: say `intercept = [\"new_msg\"]`",
        (false, false) => {
            "what is intercepted goes to `fn handle_out(&mut self, message: Out, socket: &mut Socket)`, which pushes it or not"
        }
        _ => return None,
    };
    Some(Error::new_spanned(ty, text))
}

fn own_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let name = kebab(&path.path.segments.last()?.ident.to_string());
    is_name(&name).then_some(name)
}
