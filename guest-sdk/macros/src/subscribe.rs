//! `#[skep::subscribe]` and `#[skep::subscribers]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, LitStr, ReturnType, Type, spanned::Spanned};

use crate::{
    export::{Rules, arguments, is_impl, is_short_reference, is_text},
    many::{Entry, Many},
};

/// As in the host; a topic of another plugin has the plugin's name and a `/` before it.
const TOPIC_BYTES_MAX: usize = 255;

pub(crate) const SUBSCRIBE: Many<String> = Many {
    rules: Rules {
        attribute: "#[skep::subscribe]",
        noun: "a subscriber",
        concrete: "the host calls it with messages and nothing else",
        free: "an instance keeps nothing between messages",
        once: "a_plugin_has_one_skep_subscribe__put_several_into_a_module_under_skep_subscribers",
    },
    mark: "subscribe",
    module: "#[skep::subscribers]",
    settings: topics,
    refuse,
    beside: check,
    export,
};

/// The topics of the attribute.
fn topics(arguments: &TokenStream, function: &ItemFn) -> Result<String, Error> {
    if arguments.is_empty() {
        let text = "a subscriber says what it listens to: `subscribe(\"orders:*\")`";
        return Err(Error::new_spanned(&function.sig.ident, text));
    }
    let Ok(literal) = syn::parse2::<LitStr>(arguments.clone()) else {
        let text = "a subscriber listens to one text, \"orders:42\" or \"orders:*\"; for more, write more of them";
        return Err(Error::new_spanned(arguments, text));
    };
    refuse_topics(&literal)
}

/// A pattern of topics as the host reads it.
pub(crate) fn refuse_topics(literal: &LitStr) -> Result<String, Error> {
    let topics = literal.value();
    let own = topics.split_once('/').map_or(topics.as_str(), |(_, own)| own);
    let text = if own.is_empty() || own.len() > TOPIC_BYTES_MAX {
        format!("a topic has 1 to {TOPIC_BYTES_MAX} bytes")
    } else if own.strip_suffix('*').unwrap_or(own).contains('*') {
        "`*` stands at the end of a topic only, for all that begin so".to_owned()
    } else if topics.contains(char::is_control) {
        "a topic has no control characters".to_owned()
    } else {
        return Ok(topics);
    };
    Err(Error::new_spanned(literal, text))
}

fn refuse(function: &ItemFn) -> Vec<Error> {
    const SHAPES: &str = "a subscriber takes the value, `&str` and the value, or `&[Message]`";
    let types: Vec<_> = arguments(function).collect();
    let mut errors = match types.as_slice() {
        [] if function.sig.inputs.is_empty() => {
            vec![Error::new_spanned(&function.sig.ident, format!("{SHAPES}; `Message` has it all"))]
        }
        [] => Vec::new(),
        [ty] if is_batch(ty) => Vec::new(),
        [value] => refuse_value(value).into_iter().collect(),
        [topic, value] => {
            let topic = (!is_text(topic)).then(|| Error::new_spanned(topic, "the topic comes first, as `&str`"));
            topic.into_iter().chain(refuse_value(value)).collect()
        }
        [_, _, more, ..] => vec![Error::new_spanned(more, SHAPES)],
    };
    if matches!(function.sig.output, ReturnType::Default) {
        let text = "a subscriber returns `Result<()>`: the host sets a message aside after an error";
        errors.push(Error::new_spanned(&function.sig.ident, text));
    }
    errors
}

fn refuse_value(ty: &Type) -> Option<Error> {
    match ty {
        Type::Reference(_) => {
            Some(Error::new_spanned(ty, "a subscriber takes the value itself, not a reference; text is a `String`"))
        }
        Type::ImplTrait(_) => Some(Error::new_spanned(ty, "a subscriber is not generic: name the type")),
        _ => None,
    }
}

/// `&[Message]`; whether it is the right type in there is the compiler's to say.
fn is_batch(ty: &Type) -> bool {
    is_short_reference(ty, |inner| matches!(inner, Type::Slice(_)))
}

fn check(function: &ItemFn, _: &String) -> TokenStream {
    let values = arguments(function).filter(|ty| !matches!(ty, Type::Reference(_)));
    let values = values.map(|ty| quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::message::<#ty>();));
    let name = &function.sig.ident;
    let answer = match &function.sig.output {
        ReturnType::Type(_, ty) if !is_impl(ty) => {
            quote_spanned!(ty.span()=> const _: () = ::skep_sdk::__private::heard::<#ty>();)
        }
        // The function as a whole is asked about.
        _ => quote_spanned!(name.span()=> const _: () = ::skep_sdk::__private::subscriber(&#name);),
    };
    quote!(#(#values)* #answer)
}

fn export(entries: &[Entry<String>]) -> TokenStream {
    let functions: Vec<_> = entries.iter().map(|entry| &entry.function).collect();
    let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    let topics = entries.iter().map(|entry| &entry.settings);
    quote! {
        use ::skep_sdk::__private::bindings::subscribers as bindings;
        use bindings::exports::skep::plugin::subscriber;

        impl subscriber::Guest for Plugin {
            fn subscriptions() -> ::std::vec::Vec<subscriber::Subscription> {
                ::std::vec![#(subscriber::Subscription {
                    name: ::std::string::String::from(#names),
                    topics: ::std::string::String::from(#topics),
                }),*]
            }

            fn receive(
                subscription: ::std::string::String,
                messages: ::std::vec::Vec<subscriber::Message>,
            ) -> ::std::result::Result<(), ::std::string::String> {
                match subscription.as_str() {
                    #(#names => ::skep_sdk::__private::receive(#functions, messages),)*
                    other => ::std::result::Result::Err(::skep_sdk::__private::unknown("subscription", other)),
                }
            }
        }

        bindings::export_subscribers!(Plugin with_types_in bindings);
    }
}
