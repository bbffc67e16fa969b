//! The functions of a process, each with the shape that it must have.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Error, FnArg, Ident, ImplItemFn, PathArguments, ReceiverKind, ReturnType, Type, parse_quote, spanned::Spanned,
};

use crate::export::{is_impl, is_short_reference, is_text};

/// A function that the host calls, by its role.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    Call,
    Cast,
    Info,
    Timer,
    Published,
    Down,
    Exit,
    Terminate,
    Apply,
    Migrate,
}

impl Role {
    pub(super) fn of(name: &Ident) -> Option<Self> {
        Some(match name.to_string().as_str() {
            "init" => Self::Init,
            "call" => Self::Call,
            "cast" => Self::Cast,
            "info" => Self::Info,
            "timer" => Self::Timer,
            "published" => Self::Published,
            "down" => Self::Down,
            "exit" => Self::Exit,
            "terminate" => Self::Terminate,
            "apply" => Self::Apply,
            "migrate" => Self::Migrate,
            _ => return None,
        })
    }

    /// As its author writes it.
    fn shape(self) -> &'static str {
        match self {
            Self::Init => "`fn init(args: Args, ctx: &mut Ctx) -> Result<Self>`, with or without either",
            Self::Call => "`fn call(&mut self, message: Message, ctx: &mut Ctx) -> Reply`",
            Self::Cast => "`fn cast(&mut self, message: Message, ctx: &mut Ctx)`",
            Self::Info => "`fn info(&mut self, message: Message, ctx: &mut Ctx)`",
            Self::Timer => "`fn timer(&mut self, message: Message, ctx: &mut Ctx)`",
            Self::Published => "`fn published(&mut self, topic: &str, message: Message, ctx: &mut Ctx)`",
            Self::Down => "`fn down(&mut self, down: Down, ctx: &mut Ctx)`",
            Self::Exit => "`fn exit(&mut self, exit: Exit, ctx: &mut Ctx)`",
            Self::Terminate => "`fn terminate(&mut self, reason: &Reason)`",
            Self::Apply => "`fn apply(&mut self, event: Event)`",
            Self::Migrate => "`fn migrate(version: u32, old: Old) -> Result<Self>`",
        }
    }

    fn has_self(self) -> bool {
        !matches!(self, Self::Init | Self::Migrate)
    }

    fn may_have_ctx(self) -> bool {
        !matches!(self, Self::Terminate | Self::Apply | Self::Migrate)
    }
}

/// One of them, taken apart.
pub(super) struct Function {
    pub(super) role: Role,
    pub(super) name: Ident,
    /// The types of its arguments, without `self` and `ctx`.
    pub(super) given: Vec<Type>,
    ctx: Option<Type>,
    output: Option<Type>,
}

impl Function {
    pub(super) fn new(role: Role, function: &ImplItemFn) -> Result<Self, Vec<Error>> {
        let sig = &function.sig;
        let mut errors = plain(function);
        let receiver = sig.inputs.first().filter(|input| matches!(input, FnArg::Receiver(_)));
        match receiver {
            Some(receiver) if !role.has_self() => {
                errors.push(Error::new_spanned(receiver, format!("there is no process yet: {}", role.shape())));
            }
            Some(FnArg::Receiver(self_)) if !matches!(self_.kind, ReceiverKind::Reference(..)) => {
                let text = format!("the process goes on after it: {}", role.shape());
                errors.push(Error::new_spanned(self_, text));
            }
            None if role.has_self() => {
                errors.push(Error::new_spanned(&sig.ident, format!("it is done by a process: {}", role.shape())));
            }
            _ => {}
        }
        let mut given: Vec<Type> = sig
            .inputs
            .iter()
            .filter_map(|input| if let FnArg::Typed(typed) = input { Some((*typed.ty).clone()) } else { None })
            .collect();
        let ctx = given.pop_if(|ty| is_mutable(ty));
        if let Some(ctx) = ctx.as_ref().filter(|_| !role.may_have_ctx()) {
            let text = format!("it does nothing but change the state: {}", role.shape());
            errors.push(Error::new_spanned(ctx, text));
        }
        errors.extend(refuse_given(role, &given, &sig.ident));
        let output = match &sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        errors.extend(refuse_output(role, output.as_ref(), &sig.ident));
        if errors.is_empty() { Ok(Self { role, name: sig.ident.clone(), given, ctx, output }) } else { Err(errors) }
    }

    /// The message, which is nothing if it takes none.
    pub(super) fn message(&self) -> Type {
        self.given.last().cloned().unwrap_or_else(|| parse_quote!(()))
    }

    /// What it returns, which is nothing if it says nothing.
    pub(super) fn answer(&self) -> Type {
        self.output.clone().unwrap_or_else(|| parse_quote!(()))
    }

    /// What tells the SDK how to read the answer: a `Result` says that the call may fail, though it may be a serde type too.
    pub(super) fn marker(&self) -> Ident {
        let is_result = |ty: &Type| match ty {
            Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Result"),
            _ => false,
        };
        let marker = if self.output.as_ref().is_some_and(is_result) { "Fallible" } else { "Plain" };
        Ident::new(marker, Span::call_site())
    }

    /// Errors about what it returns stand there, and not at the attribute.
    pub(super) fn span(&self) -> Span {
        Span::call_site().located_at(self.output.as_ref().map_or(self.name.span(), Spanned::span))
    }

    /// What stands for the message, at its type, so that errors about it stand there.
    pub(super) fn at_message(&self, tokens: impl Fn(Span) -> TokenStream) -> Vec<TokenStream> {
        self.given.last().map(|ty| tokens(Span::call_site().located_at(ty.span()))).into_iter().collect()
    }

    /// The call of the author's function, with these at hand for its arguments.
    pub(super) fn called(&self, given: &[TokenStream]) -> TokenStream {
        let (name, span) = (&self.name, self.span());
        let self_ = self.role.has_self().then(|| quote!(self));
        let given = given.iter().take(self.given.len()).cloned();
        let ctx = self.ctx.as_ref().map(|ty| {
            let span = Span::call_site().located_at(ty.span());
            quote_spanned!(span=> ctx)
        });
        let arguments = self_.into_iter().chain(given).chain(ctx);
        quote_spanned!(span=> Self::#name(#(#arguments),*))
    }
}

/// What is wrong with it as a function.
fn plain(function: &ImplItemFn) -> Vec<Error> {
    let sig = &function.sig;
    let mut errors = Vec::new();
    if let Some(token) = &sig.asyncness {
        let text =
            "a process's function is a plain `fn`: it handles one message at a time, so there is nothing to await";
        errors.push(Error::new_spanned(token, text));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.push(Error::new_spanned(token, "a process's function is a safe function"));
    }
    if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        let text = "a process's function is not generic: its messages come as bytes, of one type";
        errors.push(Error::new_spanned(&sig.generics, text));
    }
    errors
}

fn refuse_given(role: Role, given: &[Type], name: &Ident) -> Vec<Error> {
    let wrong = |ty: &Type| Error::new_spanned(ty, format!("it is {}", role.shape()));
    let by_value = |ty: &Type| match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            Some(Error::new_spanned(ty, "`ctx: &mut Ctx` comes last"))
        }
        Type::Reference(_) => Some(Error::new_spanned(ty, "a process takes its messages by value; text is a `String`")),
        _ if is_impl(ty) => Some(Error::new_spanned(ty, "a process is not generic: name the type")),
        _ => None,
    };
    match (role, given) {
        (Role::Terminate, []) | (Role::Init | Role::Call | Role::Cast | Role::Info | Role::Timer, []) => Vec::new(),
        (Role::Terminate, [reason]) if is_short_reference(reason, |_| true) => Vec::new(),
        (Role::Terminate, all) => all.iter().map(wrong).collect(),
        (Role::Published, [topic, message]) => {
            let topic = (!is_text(topic)).then(|| Error::new_spanned(topic, "the topic comes first, as `&str`"));
            topic.into_iter().chain(by_value(message)).collect()
        }
        (Role::Migrate, [version, old]) => {
            let is_u32 = matches!(version, Type::Path(path) if path.path.is_ident("u32"));
            let version =
                (!is_u32).then(|| Error::new_spanned(version, "the version of what was saved comes first, as `u32`"));
            version.into_iter().chain(by_value(old)).collect()
        }
        (Role::Migrate, _) | (_, []) => vec![Error::new_spanned(name, format!("it is {}", role.shape()))],
        (_, [message]) => by_value(message).into_iter().collect(),
        (_, [_, more @ ..]) => {
            let text = |ty: &Type| {
                by_value(ty).unwrap_or_else(|| {
                    Error::new_spanned(ty, format!("a struct or an enum holds several: {}", role.shape()))
                })
            };
            more.iter().map(text).collect()
        }
    }
}

fn refuse_output(role: Role, output: Option<&Type>, name: &Ident) -> Option<Error> {
    match (role, output) {
        (Role::Init | Role::Migrate, None) => {
            Some(Error::new_spanned(name, format!("it returns the state: {}", role.shape())))
        }
        (Role::Terminate | Role::Apply, Some(ty)) => {
            Some(Error::new_spanned(ty, format!("nobody is there for what it returns: {}", role.shape())))
        }
        (_, Some(ty)) if is_impl(ty) => {
            Some(Error::new_spanned(ty, "name the type that is returned: it is read elsewhere"))
        }
        _ => None,
    }
}

fn is_mutable(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some() && matches!(&*reference.elem, Type::Path(_)))
}

/// `&mut Ctx` becomes `&mut Ctx<Self>`.
pub(super) fn complete_ctx(function: &mut ImplItemFn) {
    for input in &mut function.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Type::Reference(reference) = &mut *typed.ty else { continue };
        let Type::Path(path) = &mut *reference.elem else { continue };
        let Some(last) = path.path.segments.last_mut() else { continue };
        if last.ident == "Ctx" && last.arguments.is_none() {
            // At the author's word, where errors about it stand.
            let self_ = Ident::new("Self", last.ident.span());
            let arguments = quote_spanned!(last.ident.span()=> <#self_>);
            last.arguments = PathArguments::AngleBracketed(parse_quote!(#arguments));
        }
    }
}
