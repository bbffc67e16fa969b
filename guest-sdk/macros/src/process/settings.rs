//! What the attribute says.

use proc_macro2::TokenStream;
use syn::{Error, Expr, Meta, MetaNameValue, Token, parse::Parser, punctuated::Punctuated};

use crate::{
    export::combine,
    job::{number, text},
};

/// As in the host.
const NAME_BYTES_MAX: usize = 64;

pub(super) struct Settings {
    /// The kind's name, if it is not the type's.
    pub(super) name: Option<String>,
    pub(super) version: u32,
    /// The variant of `Format`.
    pub(super) format: &'static str,
    /// Whether a module elsewhere exports it.
    pub(super) is_part: bool,
}

impl Settings {
    pub(super) fn new(arguments: &TokenStream) -> Result<Self, Error> {
        let mut settings = Self { name: None, version: 1, format: "Json", is_part: false };
        let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
        let pairs = parser.parse2(arguments.clone()).map_err(|error| {
            let text = format!("a process's attribute has settings, such as `name = \"cart\", version = 2`: {error}");
            Error::new(error.span(), text)
        })?;
        let mut errors = Vec::new();
        let mut seen = Vec::new();
        for pair in &pairs {
            let name = pair.path().get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.contains(&name) {
                errors.push(Error::new_spanned(pair.path(), format!("`{name}` is said twice")));
            }
            match pair {
                Meta::Path(_) if name == "part" => settings.is_part = true,
                Meta::NameValue(pair) => errors.extend(settings.set(&name, pair).err()),
                Meta::Path(_) | Meta::List(_) => errors.push(unknown(pair.path())),
            }
            seen.push(name);
        }
        combine(errors).map_or(Ok(settings), Err)
    }

    fn set(&mut self, name: &str, pair: &MetaNameValue) -> Result<(), Error> {
        match name {
            "name" => self.name = Some(kind(&pair.value)?),
            "version" => {
                let version = number(&pair.value).filter(|version| *version > 0);
                let text = "a version is a whole number from 1, and grows with the shape of the state";
                self.version = version.ok_or_else(|| Error::new_spanned(&pair.value, text))?;
            }
            "state" => {
                self.format = match text(&pair.value).as_deref() {
                    Some("json") => "Json",
                    Some("postcard") => "Postcard",
                    _ => return Err(Error::new_spanned(&pair.value, "a state is saved as \"json\" or \"postcard\"")),
                };
            }
            _ => return Err(unknown(&pair.path)),
        }
        Ok(())
    }
}

fn unknown(path: &syn::Path) -> Error {
    Error::new_spanned(
        path,
        "a process's settings are `name = \"..\"`, `version = 2`, `state = \"postcard\"` and `part`",
    )
}

fn kind(value: &Expr) -> Result<String, Error> {
    text(value).filter(|name| is_name(name)).ok_or_else(|| {
        let text = format!("a kind's name is a text of 1 to {NAME_BYTES_MAX} lower-case letters, digits, `-` and `_`");
        Error::new_spanned(value, text)
    })
}

pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// `SlowLoader` as a kind: `slow-loader`.
pub(crate) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    let mut before = '-';
    let mut letters = name.trim_start_matches("r#").chars().peekable();
    while let Some(letter) = letters.next() {
        let begins = before.is_lowercase() || before.is_ascii_digit();
        // In `HTTPCache` the `C` begins a word.
        let is_last_of_many = before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (begins || is_last_of_many) {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
        before = letter;
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_named_for_its_type() {
        for (name, kind) in [
            ("Counter", "counter"),
            ("SlowLoader", "slow-loader"),
            ("HTTPCache", "http-cache"),
            ("Row2", "row2"),
            ("V2Row", "v2-row"),
            ("my_kind", "my_kind"),
        ] {
            assert_eq!(kebab(name), kind, "{name}");
        }
    }
}
