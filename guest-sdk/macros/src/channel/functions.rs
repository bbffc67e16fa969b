//! The functions of a channel, each with the shape that it must have.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, Ident, ImplItemFn, ReceiverKind, ReturnType, Type, parse_quote, spanned::Spanned};

use crate::export::{is_impl, is_short_reference, is_text};

/// A function that the host calls, by its role.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Join,
    In,
    Out,
    Info,
    Terminate,
}

impl Role {
    pub(super) fn of(name: &Ident) -> Option<Self> {
        Some(match name.to_string().as_str() {
            "join" => Self::Join,
            "handle_in" => Self::In,
            "handle_out" => Self::Out,
            "handle_info" => Self::Info,
            "terminate" => Self::Terminate,
            _ => return None,
        })
    }

    /// As its author writes it.
    fn shape(self) -> &'static str {
        match self {
            Self::Join => {
                "`fn join(params: Params, socket: &mut Socket) -> Result<Self>`, with or without either argument"
            }
            Self::In => {
                "`fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<..>`, or `event: &str, payload: Payload` for the message"
            }
            Self::Out => {
                "`fn handle_out(&mut self, message: Out, socket: &mut Socket)`, or `event: &str, payload: Payload` for the message"
            }
            Self::Info => "`fn handle_info(&mut self, topic: &str, message: Message, socket: &mut Socket)`",
            Self::Terminate => "`fn terminate(&mut self, end: &End, socket: &mut Socket)`",
        }
    }
}

/// One of them, taken apart.
pub(super) struct Function {
    pub(super) role: Role,
    name: Ident,
    /// The types of its arguments, without `self` and `socket`.
    given: Vec<Type>,
    socket: Option<Type>,
    output: Option<Type>,
}

impl Function {
    pub(super) fn new(role: Role, function: &ImplItemFn) -> Result<Self, Vec<Error>> {
        let sig = &function.sig;
        let mut errors = plain(function);
        let receiver = sig.inputs.first().filter(|input| matches!(input, FnArg::Receiver(_)));
        match receiver {
            Some(receiver) if role == Role::Join => {
                let text = format!("nobody has joined yet: {}", role.shape());
                errors.push(Error::new_spanned(receiver, text));
            }
            Some(FnArg::Receiver(self_)) if !matches!(self_.kind, ReceiverKind::Reference(..)) => {
                let text = format!("what the channel remembers is kept after it: {}", role.shape());
                errors.push(Error::new_spanned(self_, text));
            }
            None if role != Role::Join => {
                let text = format!("it is done by a channel: {}", role.shape());
                errors.push(Error::new_spanned(&sig.ident, text));
            }
            _ => {}
        }
        let mut given: Vec<Type> = sig
            .inputs
            .iter()
            .filter_map(|input| if let FnArg::Typed(typed) = input { Some((*typed.ty).clone()) } else { None })
            .collect();
        let socket = given.pop_if(|ty| is_mutable(ty));
        errors.extend(refuse_given(role, &given, &sig.ident));
        let output = match &sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        match &output {
            None if role == Role::Join => {
                let text = format!("it returns what the channel remembers: {}", role.shape());
                errors.push(Error::new_spanned(&sig.ident, text));
            }
            Some(ty) if is_impl(ty) => {
                errors.push(Error::new_spanned(ty, "name the type that is returned: it is read elsewhere"));
            }
            _ => {}
        }
        if errors.is_empty() { Ok(Self { role, name: sig.ident.clone(), given, socket, output }) } else { Err(errors) }
    }

    /// Errors about what it returns stand there, and not at the attribute.
    fn span(&self) -> Span {
        Span::call_site().located_at(self.output.as_ref().map_or(self.name.span(), Spanned::span))
    }

    /// The call of the author's function, with these at hand for its arguments.
    fn called(&self, given: &[TokenStream]) -> TokenStream {
        let (name, span) = (&self.name, self.span());
        let self_ = (self.role != Role::Join).then(|| quote!(self));
        let given = given.iter().take(self.given.len()).cloned();
        let socket = self.socket.as_ref().map(|ty| {
            let span = Span::call_site().located_at(ty.span());
            quote_spanned!(span=> socket)
        });
        let arguments = self_.into_iter().chain(given).chain(socket);
        quote_spanned!(span=> Self::#name(#(#arguments),*))
    }

    /// A value read by the trait of this name, at the type of the last argument, so that errors about it stand there.
    fn read(&self, by: &str, from: &str) -> Option<TokenStream> {
        let ty = self.given.last()?;
        let at = Span::call_site().located_at(ty.span());
        let (function, from) = (Ident::new(&snake(by), at), Ident::new(from, Span::call_site()));
        let by: Type = match by {
            "FromMessage" => parse_quote!(::skep_sdk::pubsub::FromMessage),
            _ => {
                let by = Ident::new(by, at);
                parse_quote!(::skep_sdk::channel::#by)
            }
        };
        Some(quote_spanned!(at=> <#ty as #by>::#function(#from)?))
    }

    /// The function of the trait that calls the author's.
    pub(super) fn implemented(&self) -> TokenStream {
        let span = self.span();
        let socket = quote!(socket: &mut ::skep_sdk::channel::Socket);
        let handled = quote_spanned!(span=> ::skep_sdk::process::Handled::into_handled);
        match self.role {
            Role::Join => {
                let given: Vec<_> = self.read("FromPayload", "params").into_iter().collect();
                let called = self.called(&given);
                quote_spanned! {span=>
                    #[allow(unused_variables)]
                    fn on_join(
                        params: ::skep_sdk::channel::Payload,
                        #socket,
                    ) -> ::skep_sdk::Result<::skep_sdk::channel::Joined<Self>> {
                        ::skep_sdk::channel::Joins::<Self>::into_joined(#called)
                    }
                }
            }
            Role::In => {
                let (before, called) = self.said();
                quote_spanned! {span=>
                    #[allow(unused_variables)]
                    fn on_in(
                        &mut self,
                        message: ::skep_sdk::channel::Incoming,
                        #socket,
                    ) -> ::skep_sdk::Result<::skep_sdk::channel::Reply> {
                        #before
                        ::skep_sdk::channel::Answer::into_reply(#called)
                    }
                }
            }
            Role::Out => {
                let (before, called) = self.said();
                quote_spanned! {span=>
                    #[allow(unused_variables)]
                    fn on_out(
                        &mut self,
                        message: ::skep_sdk::channel::Incoming,
                        #socket,
                    ) -> ::skep_sdk::Result<()> {
                        #before
                        #handled(#called)
                    }
                }
            }
            Role::Info => {
                let read: Vec<_> = self.read("FromMessage", "message").into_iter().collect();
                let topic = if self.given.len() > 1 { vec![quote!(&topic)] } else { Vec::new() };
                let called = self.called(&[topic, read].concat());
                quote_spanned! {span=>
                    #[allow(unused_variables)]
                    fn on_info(
                        &mut self,
                        message: ::skep_sdk::pubsub::Message,
                        #socket,
                    ) -> ::skep_sdk::Result<()> {
                        let topic = ::std::string::String::from(message.topic());
                        #handled(#called)
                    }
                }
            }
            Role::Terminate => {
                let called = self.called(&[quote!(end)]);
                quote_spanned! {span=>
                    #[allow(unused_variables)]
                    fn on_terminate(
                        &mut self,
                        end: &::skep_sdk::channel::End,
                        #socket,
                    ) -> ::skep_sdk::Result<()> {
                        #handled(#called)
                    }
                }
            }
        }
    }

    /// What a client said, or all did: a message, or an event and what belongs to it.
    fn said(&self) -> (TokenStream, TokenStream) {
        match self.given.as_slice() {
            [event] if is_text(event) => (quote!(let event = message.event;), self.called(&[quote!(&event)])),
            [_] => {
                let read = self.read("FromIncoming", "message");
                (TokenStream::new(), self.called(&read.into_iter().collect::<Vec<_>>()))
            }
            _ => {
                let read = self.read("FromPayload", "payload");
                let given: Vec<_> = std::iter::once(quote!(&event)).chain(read).collect();
                let apart = quote!(let (event, payload) = (message.event, message.payload););
                (apart, self.called(&given))
            }
        }
    }
}

/// `from_payload` of `FromPayload`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// What is wrong with it as a function.
fn plain(function: &ImplItemFn) -> Vec<Error> {
    let sig = &function.sig;
    let mut errors = Vec::new();
    if let Some(token) = &sig.asyncness {
        let text = "a channel's function is a plain `fn`: the host calls it with one message at a time, so there is \
                    nothing to await";
        errors.push(Error::new_spanned(token, text));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.push(Error::new_spanned(token, "a channel's function is a safe function"));
    }
    if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        let text = "a channel's function is not generic: its messages come as text, of one type";
        errors.push(Error::new_spanned(&sig.generics, text));
    }
    errors
}

fn refuse_given(role: Role, given: &[Type], name: &Ident) -> Vec<Error> {
    let by_value = |ty: &Type| match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            Some(Error::new_spanned(ty, "`socket: &mut Socket` comes last"))
        }
        Type::Reference(_) => Some(Error::new_spanned(ty, "a channel takes what is said by value; text is a `String`")),
        _ if is_impl(ty) => Some(Error::new_spanned(ty, "a channel is not generic: name the type")),
        _ => None,
    };
    let named = |ty: &Type, what: &str| {
        (!is_text(ty)).then(|| Error::new_spanned(ty, format!("the {what} comes first, as `&str`")))
    };
    match (role, given) {
        (Role::Join | Role::Terminate, []) => Vec::new(),
        (Role::Terminate, [end]) if is_short_reference(end, |_| true) => Vec::new(),
        (Role::In | Role::Out, [event]) if is_text(event) => Vec::new(),
        (Role::Join | Role::In | Role::Out | Role::Info, [one]) => by_value(one).into_iter().collect(),
        (Role::In | Role::Out, [event, payload]) => {
            named(event, "event").into_iter().chain(by_value(payload)).collect()
        }
        (Role::Info, [topic, message]) => named(topic, "topic").into_iter().chain(by_value(message)).collect(),
        _ => vec![Error::new_spanned(name, format!("it is {}", role.shape()))],
    }
}

fn is_mutable(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some() && matches!(&*reference.elem, Type::Path(_)))
}
