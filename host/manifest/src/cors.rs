//! Which web pages of other origins may call a plugin.

use std::time::Duration;

use crate::origin::Origin;
use crate::read::{Item, Read, Section, join};
use crate::route::is_method;

/// `[plugins.NAME.cors]`: answered by the host, so that the plugin never sees a preflight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The origins of pages, as browsers send them (`https://app.example.org`). Required.
    pub origins: Allowed,
    /// The methods, in upper case. Default `GET`, `HEAD` and `POST`.
    pub methods: Allowed,
    /// The request headers, in lower case. Default: none beyond those that browsers always allow.
    pub headers: Allowed,
    /// Whether cookies and authentication are sent along. Default false; true allows no `*` above, as in the Fetch
    /// standard.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight. Default 10 min, at most 24 h.
    pub max_age: Duration,
}

/// A list, or `["*"]` for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Anything.
    Any,
    /// Only these.
    Only(Vec<String>),
}

impl Cors {
    /// Reads the table, if the file has it.
    pub(crate) fn read(mut table: Section<'_>) -> Option<Self> {
        if !table.is_present() {
            return None;
        }
        let missing = "missing; write the pages' origins, such as [\"https://app.example.org\"], or [\"*\"] for all";
        let origins = table.require::<Vec<PageOrigin>>("origins", missing);
        let methods = table.get::<Vec<Method>>("methods");
        let headers = table.get::<Vec<Header>>("headers");
        let default_methods = ["GET", "HEAD", "POST"].map(str::to_owned).to_vec();
        let mut cors = Self {
            origins: Allowed::of(origins.into_iter().flatten().map(|origin| origin.0)),
            methods: methods.map_or(Allowed::Only(default_methods), |methods| {
                Allowed::of(methods.into_iter().map(|method| method.0))
            }),
            headers: Allowed::of(headers.into_iter().flatten().map(|header| header.0)),
            credentials: false,
            max_age: Duration::from_secs(600),
        };
        table.set("credentials", &mut cors.credentials);
        table.bounded("max_age", &mut cors.max_age, Duration::ZERO..=Duration::from_secs(86_400));
        let lists = [("origins", &cors.origins), ("methods", &cors.methods), ("headers", &cors.headers)];
        for (key, _) in lists.into_iter().filter(|(_, list)| cors.credentials && **list == Allowed::Any) {
            let path = join(&table.path, key);
            table.reading.report(&path, "browsers refuse `*` together with `credentials = true`; write a list");
        }
        table.finish();
        Some(cors)
    }
}

impl Allowed {
    fn of(list: impl Iterator<Item = String>) -> Self {
        let list: Vec<_> = list.collect();
        if list.iter().any(|element| element == "*") { Self::Any } else { Self::Only(list) }
    }
}

/// An origin as browsers send it: no default port, no `*` but a lone one.
struct PageOrigin(String);

impl Read for PageOrigin {
    fn read(item: &Item<'_>) -> Option<Self> {
        if item.value.as_str() == Some("*") {
            return Some(Self("*".to_owned()));
        }
        let origin = Origin::read(item)?;
        let printed = origin.to_string();
        if printed.contains('*') {
            return item.fail("must be one origin, or \"*\" alone for all");
        }
        Some(Self(printed))
    }
}

struct Method(String);

impl Read for Method {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?;
        let fits = text == "*" || is_method(&text);
        if fits { Some(Self(text)) } else { item.fail("methods are upper-case letters, such as \"GET\"") }
    }
}

struct Header(String);

impl Read for Header {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?.to_ascii_lowercase();
        // RFC 9110's token, which `*` is too.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if !text.is_empty() && text.bytes().all(fits) { Some(Self(text)) } else { item.fail("is not a header's name") }
    }
}
