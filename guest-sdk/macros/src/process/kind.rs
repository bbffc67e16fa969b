//! One kind of processes: the author's `impl`, and what the SDK is told of it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, ImplItem, ItemImpl, Type, parse_quote, spanned::Spanned};

use super::{
    RULES,
    functions::{Function, Role, complete_ctx},
    settings::{Settings, is_name, kebab},
};
use crate::{
    blocks::{Block, Listed, Refused},
    export::combine,
};

pub(crate) struct Kind {
    item: ItemImpl,
    name: String,
    settings: Settings,
    functions: Vec<Function>,
}

impl Block for Kind {
    fn new(arguments: &TokenStream, mut item: ItemImpl) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        if let Some((path, _)) = &item.trait_ {
            errors.push(Error::new_spanned(
                path,
                "#[skep::process] stands on an `impl` of the type itself, not of a trait",
            ));
        }
        if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
            let text = format!("{} is not generic: {}", RULES.noun, RULES.concrete);
            errors.push(Error::new_spanned(&item.generics, text));
        }
        let mut functions = Vec::new();
        for item in &mut item.items {
            let ImplItem::Fn(function) = item else { continue };
            complete_ctx(function);
            let Some(role) = Role::of(&function.sig.ident) else { continue };
            match Function::new(role, function) {
                Ok(function) => functions.push(function),
                Err(wrong) => errors.extend(wrong),
            }
        }
        let has = |role| {
            item.items
                .iter()
                .any(|item| matches!(item, ImplItem::Fn(function) if Role::of(&function.sig.ident) == Some(role)))
        };
        if !has(Role::Init) && item.trait_.is_none() {
            let text = "a process begins with `init`: `fn init(args: Args) -> Self`, or without arguments";
            errors.push(Error::new_spanned(&item.self_ty, text));
        }
        let mut settings = match Settings::new(arguments) {
            Ok(settings) => Some(settings),
            Err(error) => {
                errors.push(error);
                None
            }
        };
        if let Some(settings) = &settings {
            errors.extend(versions(settings, has(Role::Migrate), &item.self_ty));
        }
        let name = settings.as_mut().and_then(|settings| settings.name.take()).or_else(|| own_name(&item.self_ty));
        let name = name.unwrap_or_else(|| {
            let text = "the kind has no name that the host can use: lower-case ASCII letters, digits, `-` and `_`; \
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
        let Self { item, name, settings, .. } = self;
        let ty = &item.self_ty;
        let Settings { version, format, .. } = settings;
        let format = Ident::new(format, Span::call_site());
        let replays = self.function(Role::Apply).is_some();
        let args = self.function(Role::Init).map_or(parse_quote!(()), Function::message);
        let [call, cast, info, timer] =
            [Role::Call, Role::Cast, Role::Info, Role::Timer].map(|role| self.message(role));
        let reply = self.function(Role::Call).map_or(quote!(()), |call| {
            let (answer, marker, span) = (call.answer(), call.marker(), call.span());
            quote_spanned!(span=> <#answer as ::skep_sdk::process::Answer<::skep_sdk::__private::#marker>>::Value)
        });
        let functions = self.functions.iter().map(implemented);
        let event_log = self.function(Role::Apply).map(|apply| event_log(ty, apply));
        // Errors about the state stand at its type.
        let span = Span::call_site().located_at(ty.span());
        quote_spanned! {span=>
            #item

            impl ::skep_sdk::process::Protocol for #ty {
                type Call = #call;
                type Reply = #reply;
                type Cast = #cast;
                type Info = #info;
            }

            impl ::skep_sdk::process::Process for #ty {
                type Args = #args;
                type Timer = #timer;
                const KIND: &'static str = #name;
                const VERSION: u32 = #version;
                const FORMAT: ::skep_sdk::process::Format = ::skep_sdk::process::Format::#format;
                const REPLAYS: bool = #replays;

                #(#functions)*
            }

            #event_log
        }
    }

    fn ty(&self) -> Type {
        (*self.item.self_ty).clone()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_part(&self) -> bool {
        self.settings.is_part
    }

    fn listed(&self) -> Listed {
        Listed { ty: self.ty(), is_other: false }
    }
}

impl Kind {
    fn function(&self, role: Role) -> Option<&Function> {
        self.functions.iter().find(|function| function.role == role)
    }

    /// The type of a role's message.
    fn message(&self, role: Role) -> Type {
        self.function(role).map_or_else(|| parse_quote!(::skep_sdk::process::Unhandled), Function::message)
    }
}

/// The function of the trait that calls the author's.
fn implemented(function: &Function) -> TokenStream {
    let span = function.span();
    let called = function.called(&function.at_message(|span| quote_spanned!(span=> message)));
    let ctx = quote!(&mut ::skep_sdk::process::Ctx<Self>);
    let handled = quote_spanned!(span=> ::skep_sdk::process::Handled::into_handled);
    let told = |name: &str, message: TokenStream| {
        let name = Ident::new(name, Span::call_site());
        quote_spanned! {span=>
            #[allow(unused_variables)]
            fn #name(&mut self, message: #message, ctx: #ctx) -> ::skep_sdk::Result<()> {
                #handled(#called)
            }
        }
    };
    match function.role {
        Role::Init => quote_spanned! {span=>
            #[allow(unused_variables)]
            fn begin(message: Self::Args, ctx: #ctx) -> ::skep_sdk::Result<Self> {
                ::skep_sdk::process::Begun::<Self>::into_state(#called)
            }
        },
        Role::Call => {
            let marker = function.marker();
            quote_spanned! {span=>
                #[allow(unused_variables)]
                fn on_call(
                    &mut self,
                    message: Self::Call,
                    ctx: #ctx,
                ) -> ::skep_sdk::Result<::skep_sdk::process::Reply<Self::Reply>> {
                    ::skep_sdk::process::Answer::<::skep_sdk::__private::#marker>::into_reply(#called)
                }
            }
        }
        Role::Cast => told("on_cast", quote!(Self::Cast)),
        Role::Info => told("on_info", quote!(Self::Info)),
        Role::Timer => told("on_timer", quote!(Self::Timer)),
        Role::Down => told("on_down", quote!(::skep_sdk::process::Down)),
        Role::Exit => told("on_exit", quote!(::skep_sdk::process::Exit)),
        Role::Published => {
            let ty = function.message();
            let at = Span::call_site().located_at(ty.span());
            let read = quote_spanned!(at=> <#ty as ::skep_sdk::pubsub::FromMessage>::from_message(message)?);
            let given = if function.given.len() > 1 { vec![quote!(&topic), read] } else { vec![read] };
            let called = function.called(&given);
            quote_spanned! {span=>
                #[allow(unused_variables)]
                fn on_published(&mut self, message: ::skep_sdk::pubsub::Message, ctx: #ctx) -> ::skep_sdk::Result<()> {
                    let topic = ::std::string::String::from(message.topic());
                    #handled(#called)
                }
            }
        }
        Role::Terminate => {
            let called = function.called(&function.at_message(|span| quote_spanned!(span=> reason)));
            quote_spanned! {span=>
                #[allow(unused_variables)]
                fn on_terminate(&mut self, reason: &::skep_sdk::process::Reason) {
                    #called
                }
            }
        }
        Role::Apply => quote_spanned! {span=>
            fn on_replay(&mut self, event: &[u8]) -> ::skep_sdk::Result<()> {
                ::skep_sdk::process::EventLog::on_event(self, ::skep_sdk::__private::replayed(event)?);
                ::std::result::Result::Ok(())
            }
        },
        Role::Migrate => {
            let ty = function.message();
            let at = Span::call_site().located_at(ty.span());
            let read = quote_spanned!(at=> <#ty as ::skep_sdk::process::FromSaved>::from_saved(old)?);
            let called = function.called(&[quote!(version), read]);
            quote_spanned! {span=>
                fn on_migrate(version: u32, old: ::skep_sdk::process::Saved) -> ::skep_sdk::Result<Self> {
                    ::skep_sdk::process::Begun::<Self>::into_state(#called)
                }
            }
        }
    }
}

fn event_log(ty: &Type, apply: &Function) -> TokenStream {
    let event = apply.message();
    let called = apply.called(&[quote!(event)]);
    quote! {
        impl ::skep_sdk::process::EventLog for #ty {
            type Event = #event;

            fn on_event(&mut self, event: #event) {
                #called
            }
        }
    }
}

/// A change of the state's shape is two things, and one of them is forgotten easily.
fn versions(settings: &Settings, migrates: bool, ty: &Type) -> Option<Error> {
    let text = match (settings.version, migrates) {
        (1, true) => "what `migrate` reads is of an earlier version: say `version = 2`".to_owned(),
        (version, false) if version > 1 => format!(
            "a process of version {version} reads what earlier ones saved: `fn migrate(version: u32, old: Old) -> Result<Self>`"
        ),
        _ => return None,
    };
    Some(Error::new_spanned(ty, text))
}

fn own_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let name = kebab(&path.path.segments.last()?.ident.to_string());
    is_name(&name).then_some(name)
}
