//! `#[skep::websocket]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, ReturnType, Type, spanned::Spanned};

use crate::{
    export::{Rules, combine, is_impl, is_text},
    http::{ARGUMENTS_MAX, refuse_argument},
};

const RULES: Rules = Rules {
    attribute: "#[skep::websocket]",
    noun: "what opens a WebSocket",
    concrete: "",
    free: "",
    once: "a_plugin_has_one_skep_websocket__tell_its_routes_apart_by_the_Request_in_open",
};

const OPEN: &str = "`fn open(query: Query<Params>, upgrade: Upgrade) -> Result<Self>`, of extractors or of nothing";
const MESSAGE: &str = "`fn message(&mut self, frame: Frame, socket: &mut WebSocket)`";
const INFO: &str = "`fn handle_info(&mut self, topic: &str, message: Message, socket: &mut WebSocket)`";
const CLOSE: &str = "`fn close(&mut self, code: u16)`";

/// On the `impl` of the plugin's WebSockets.
pub(crate) fn expand(arguments: &TokenStream, item: TokenStream) -> TokenStream {
    let item = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(item) => item,
        Err(_) => {
            let text = "#[skep::websocket] stands on the `impl` of the type that is remembered of a client";
            let error = Error::new_spanned(&item, text).into_compile_error();
            return quote!(#item #error);
        }
    };
    match Talks::new(arguments, &item) {
        Ok(talks) => {
            let (ty, items) = (&item.self_ty, talks.items(&item.self_ty));
            let export = (!talks.is_part).then(|| export(ty));
            let span = Span::call_site().located_at(ty.span());
            quote_spanned!(span=> #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))] #item #items #export)
        }
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

struct Talks<'a> {
    open: &'a ImplItemFn,
    message: Function<'a>,
    info: Option<Function<'a>>,
    close: Option<Function<'a>>,
    is_part: bool,
}

/// One with a `self`, taken apart.
struct Function<'a> {
    function: &'a ImplItemFn,
    /// The types of its arguments, without `self` and `socket`.
    given: Vec<&'a Type>,
    socket: Option<&'a Type>,
}

impl<'a> Talks<'a> {
    fn new(arguments: &TokenStream, item: &'a ItemImpl) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let is_part = arguments.to_string() == "part";
        if !arguments.is_empty() && !is_part {
            let text = "#[skep::websocket] takes no arguments; routes are written in skep.toml";
            errors.push(Error::new_spanned(arguments, text));
        }
        if let Some((path, _)) = &item.trait_ {
            let text = "#[skep::websocket] stands on an `impl` of the type itself, not of a trait";
            errors.push(Error::new_spanned(path, text));
        }
        if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
            let text = "a WebSocket is not generic: what is remembered is kept and read again as one type";
            errors.push(Error::new_spanned(&item.generics, text));
        }
        let named = |name: &str| {
            item.items.iter().find_map(|item| match item {
                ImplItem::Fn(function) if function.sig.ident == name => Some(function),
                _ => None,
            })
        };
        for function in ["open", "message", "handle_info", "close"].into_iter().filter_map(named) {
            errors.extend(plain(function));
        }
        let open = named("open");
        match open {
            Some(open) => errors.extend(refuse_open(open)),
            None => errors.push(Error::new_spanned(&item.self_ty, format!("a WebSocket begins with {OPEN}"))),
        }
        let mut taken = |name: &str, shape: &str, most: usize| {
            let taken = Function::new(named(name)?, shape, most);
            taken.map_err(|wrong| errors.extend(wrong)).ok()
        };
        let (message, info, close) =
            (taken("message", MESSAGE, 1), taken("handle_info", INFO, 2), taken("close", CLOSE, 1));
        if named("message").is_none() {
            errors.push(Error::new_spanned(&item.self_ty, format!("what the client says goes to {MESSAGE}")));
        }
        match (combine(errors), open, message) {
            (None, Some(open), Some(message)) => Ok(Self { open, message, info, close, is_part }),
            (Some(error), ..) => Err(error),
            (None, ..) => Err(Error::new_spanned(&item.self_ty, OPEN)),
        }
    }

    /// What the SDK is told.
    fn items(&self, ty: &Type) -> TokenStream {
        let asked = arguments(self.open)
            .map(|ty| quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::argument::<#ty>();));
        let at = Span::call_site().located_at(self.open.sig.output.span());
        let socket = quote!(socket: &mut ::skep_sdk::websocket::WebSocket);
        let message = {
            let read = self.message.read(quote!(::skep_sdk::websocket::FromFrame), "from_frame", "frame");
            let called = self.message.handled(&read.into_iter().collect::<Vec<_>>());
            quote! {
                #[allow(unused_variables)]
                fn on_message(&mut self, frame: ::skep_sdk::websocket::Frame, #socket) -> ::skep_sdk::Result<()> {
                    #called
                }
            }
        };
        let info = self.info.as_ref().map(|info| {
            let read = info.read(quote!(::skep_sdk::pubsub::FromMessage), "from_message", "message");
            let topic = (info.given.len() > 1).then(|| quote!(&topic));
            let called = info.handled(&topic.into_iter().chain(read).collect::<Vec<_>>());
            quote! {
                #[allow(unused_variables)]
                fn on_info(&mut self, message: ::skep_sdk::pubsub::Message, #socket) -> ::skep_sdk::Result<()> {
                    let topic = ::std::string::String::from(message.topic());
                    #called
                }
            }
        });
        let close = self.close.as_ref().map(|close| {
            let called = close.handled(&[quote!(code)]);
            quote! {
                #[allow(unused_variables)]
                fn on_close(&mut self, code: u16) -> ::skep_sdk::Result<()> {
                    #called
                }
            }
        });
        quote_spanned! {at=>
            #(#asked)*

            impl ::skep_sdk::websocket::Talks for #ty {
                fn on_open(
                    request: ::skep_sdk::Request,
                ) -> ::std::result::Result<::skep_sdk::websocket::Accepted<Self>, ::skep_sdk::Response> {
                    ::skep_sdk::__private::websocket_asked::<Self, _, _>(Self::open, request)
                }

                #message
                #info
                #close
            }
        }
    }
}

impl<'a> Function<'a> {
    fn new(function: &'a ImplItemFn, shape: &str, most: usize) -> Result<Self, Vec<Error>> {
        let sig = &function.sig;
        let mut errors = Vec::new();
        if !matches!(sig.inputs.first(), Some(FnArg::Receiver(_))) {
            errors.push(Error::new_spanned(&sig.ident, format!("it is done for one client: {shape}")));
        }
        let mut given: Vec<&Type> = arguments(function).collect();
        let socket = given.pop_if(|ty| matches!(ty, Type::Reference(reference) if reference.mutability.is_some()));
        let named = given.len() > 1 && given.first().is_some_and(|ty| is_text(ty));
        let fits = given.len() <= most && (given.len() < 2 || named);
        if !fits || (sig.ident == "close" && socket.is_some()) {
            errors.push(Error::new_spanned(&sig.inputs, format!("it is {shape}")));
        }
        let values = given.iter().skip(usize::from(named));
        errors.extend(values.filter(|ty| matches!(ty, Type::Reference(_)) || is_impl(ty)).map(|ty| {
            Error::new_spanned(ty, "a WebSocket takes what is said by value, of one type; text is a `String`")
        }));
        if errors.is_empty() { Ok(Self { function, given, socket }) } else { Err(errors) }
    }

    /// The last argument, made by this trait, at its type, so that errors about it stand there.
    fn read(&self, by: TokenStream, function: &str, from: &str) -> Option<TokenStream> {
        let ty = self.given.last()?;
        let at = Span::call_site().located_at(ty.span());
        let (function, from) = (Ident::new(function, at), Ident::new(from, Span::call_site()));
        Some(quote_spanned!(at=> <#ty as #by>::#function(#from)?))
    }

    /// The call of the author's function, whose answer is nothing or a `Result` of it.
    fn handled(&self, given: &[TokenStream]) -> TokenStream {
        let sig = &self.function.sig;
        let name = &sig.ident;
        let at = match &sig.output {
            ReturnType::Default => name.span(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        let at = Span::call_site().located_at(at);
        let given = given.iter().take(self.given.len());
        let socket = self.socket.map(|ty| {
            let at = Span::call_site().located_at(ty.span());
            quote_spanned!(at=> , socket)
        });
        quote_spanned!(at=> ::skep_sdk::process::Handled::into_handled(Self::#name(self #(, #given)* #socket)))
    }
}

fn arguments(function: &ImplItemFn) -> impl Iterator<Item = &Type> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&*typed.ty),
        FnArg::Receiver(_) => None,
    })
}

fn plain(function: &ImplItemFn) -> Vec<Error> {
    let sig = &function.sig;
    let mut errors = Vec::new();
    if let Some(token) = &sig.asyncness {
        let text =
            "it is a plain `fn`: the host runs each call in an instance of its own, so there is nothing to await";
        errors.push(Error::new_spanned(token, text));
    }
    if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        errors.push(Error::new_spanned(&sig.generics, "it is not generic: the host calls it with one type"));
    }
    errors
}

fn refuse_open(open: &ImplItemFn) -> Vec<Error> {
    let mut errors = Vec::new();
    let inputs = &open.sig.inputs;
    if let Some(receiver @ FnArg::Receiver(_)) = inputs.first() {
        errors.push(Error::new_spanned(receiver, format!("there is no client yet: {OPEN}")));
    }
    if inputs.len() > ARGUMENTS_MAX {
        let text = format!("it takes at most {ARGUMENTS_MAX} extractors; take `Request` and use `req.extract()`");
        errors.push(Error::new_spanned(inputs, text));
    }
    errors.extend(arguments(open).filter_map(|ty| refuse_argument(RULES.noun, ty)));
    match &open.sig.output {
        ReturnType::Default => {
            errors.push(Error::new_spanned(&open.sig.ident, format!("it returns what is remembered: {OPEN}")));
        }
        ReturnType::Type(_, ty) if is_impl(ty) => {
            errors.push(Error::new_spanned(ty, "name the type that is returned: it is read elsewhere"));
        }
        ReturnType::Type(..) => {}
    }
    errors
}

fn export(ty: &Type) -> TokenStream {
    let once = RULES.once(&Ident::new("websocket", ty.span().resolved_at(Span::call_site())));
    quote! {
        #once
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Plugin;

            use ::skep_sdk::__private::bindings::websockets as bindings;
            use bindings::exports::skep::plugin::websocket_handler;

            impl websocket_handler::Guest for Plugin {
                fn open(
                    request: websocket_handler::Request,
                    opening: websocket_handler::Opening,
                ) -> websocket_handler::Decision {
                    ::skep_sdk::__private::websocket_open::<#ty>(request, opening)
                }

                fn handle_message(incoming: websocket_handler::Incoming) -> ::std::vec::Vec<websocket_handler::Action> {
                    ::skep_sdk::__private::websocket_message::<#ty>(incoming)
                }

                fn handle_info(message: websocket_handler::Published) -> ::std::vec::Vec<websocket_handler::Action> {
                    ::skep_sdk::__private::websocket_info::<#ty>(message)
                }

                fn close(closed: websocket_handler::Closed) {
                    ::skep_sdk::__private::websocket_close::<#ty>(closed);
                }
            }

            bindings::export_websockets!(Plugin with_types_in bindings);
        };
    }
}
