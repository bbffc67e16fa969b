//! What the attribute says.

use proc_macro2::TokenStream;
use syn::{
    Error, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Token,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::{export::combine, job::text, process::is_name, subscribe::refuse_topics};

/// As in the host.
const EVENT_BYTES_MAX: usize = 255;
const INTERCEPTS_MAX: usize = 100;

const HOW: &str = "a channel says which topics it is for: `channel(\"room:*\")`";

pub(super) struct Settings {
    pub(super) topics: String,
    pub(super) intercepts: Vec<String>,
    /// The kind's name, if it is not the type's.
    pub(super) name: Option<String>,
    pub(super) is_process: bool,
    /// Whether a module elsewhere exports it.
    pub(super) is_part: bool,
}

impl Settings {
    pub(super) fn new(arguments: &TokenStream) -> Result<Self, Error> {
        let parse = |input: ParseStream<'_>| {
            let topics: LitStr = input.parse().map_err(|error| Error::new(error.span(), HOW))?;
            let mut metas = Punctuated::new();
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
                metas = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
            }
            Ok((topics, metas))
        };
        let (topics, metas) = parse.parse2(arguments.clone())?;
        let mut settings =
            Self { topics: topics.value(), intercepts: Vec::new(), name: None, is_process: false, is_part: false };
        let mut errors = Vec::new();
        if settings.topics.contains('/') {
            errors.push(Error::new_spanned(&topics, "a channel's topics are the plugin's own, without a `/`"));
        } else {
            errors.extend(refuse_topics(&topics).err());
        }
        let mut seen = Vec::new();
        for meta in &metas {
            let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.contains(&name) {
                errors.push(Error::new_spanned(meta.path(), format!("`{name}` is said twice")));
            }
            match meta {
                Meta::Path(_) if name == "part" => settings.is_part = true,
                Meta::Path(_) if name == "process" => settings.is_process = true,
                Meta::NameValue(pair) => errors.extend(settings.set(&name, pair).err()),
                Meta::Path(_) | Meta::List(_) => errors.push(unknown(meta.path())),
            }
            seen.push(name);
        }
        combine(errors).map_or(Ok(settings), Err)
    }

    fn set(&mut self, name: &str, pair: &MetaNameValue) -> Result<(), Error> {
        match name {
            "name" => {
                let name = text(&pair.value).filter(|name| is_name(name));
                let words = "a kind's name is a text of 1 to 64 lower-case letters, digits, `-` and `_`";
                self.name = Some(name.ok_or_else(|| Error::new_spanned(&pair.value, words))?);
            }
            "intercept" => self.intercepts = events(&pair.value)?,
            _ => return Err(unknown(&pair.path)),
        }
        Ok(())
    }
}

fn unknown(path: &syn::Path) -> Error {
    Error::new_spanned(
        path,
        "a channel's settings are `intercept = [\"new_msg\"]`, `process`, `name = \"..\"` and `part`",
    )
}

fn events(value: &Expr) -> Result<Vec<String>, Error> {
    let Expr::Array(array) = value else {
        return Err(Error::new_spanned(value, "write the events in brackets: `intercept = [\"new_msg\"]`"));
    };
    if array.elems.len() > INTERCEPTS_MAX {
        return Err(Error::new_spanned(array, format!("a channel intercepts at most {INTERCEPTS_MAX} events")));
    }
    array.elems.iter().map(event).collect()
}

fn event(value: &Expr) -> Result<String, Error> {
    let fits = |event: &String| (1..=EVENT_BYTES_MAX).contains(&event.len()) && !event.contains(['\r', '\n']);
    let event = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()).filter(fits),
        _ => None,
    };
    let text = format!("an event is a text of 1 to {EVENT_BYTES_MAX} bytes without line breaks");
    event.ok_or_else(|| Error::new_spanned(value, text))
}
