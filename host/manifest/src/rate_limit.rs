//! Rate limits of routes: how often each client may ask.

use std::fmt;
use std::time::Duration;

use toml::Value;

use crate::read::{Item, Read};

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// So many requests per time for each client, evenly: `{ requests = 10, per = "1m", burst = 5, by = "client" }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Requests per `per`, in the long run. Required, 1 to 1,000,000.
    pub requests: u32,
    /// The time that `requests` are spread over. Required, 1 ms to 24 h.
    pub per: Duration,
    /// Requests that may come at once after a pause. Default: as many as `requests`.
    pub burst: u32,
    /// What counts as one client. Default: its address.
    pub by: RateKey,
}

/// What counts as one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// The client's address; of IPv6, the first 64 bits, which are one network.
    #[default]
    Client,
    /// The value of this header, in lower case; the client's address where a request has none.
    Header(String),
}

impl fmt::Display for RateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

impl Read for RateLimit {
    fn read(item: &Item<'_>) -> Option<Self> {
        if !item.value.is_table() {
            return item.expected("a table such as { requests = 10, per = \"1m\" }");
        }
        let mut table = item.section()?;
        // Read once for the type and once for the bounds; a key that is not there has no bounds to break.
        let has_requests = table.item("requests").is_some();
        let has_per = table.item("per").is_some();
        let (mut requests, mut per) = (1, DAY);
        table.bounded("requests", &mut requests, 1..=1_000_000);
        table.bounded("per", &mut per, MILLISECOND..=DAY);
        let mut burst = requests;
        table.bounded("burst", &mut burst, 1..=1_000_000);
        let by = table.get("by").unwrap_or_default();
        table.finish();
        if !has_requests {
            return item
                .fail("has no `requests`; write how many each client has, as in { requests = 10, per = \"1m\" }");
        }
        if !has_per {
            return item
                .fail("has no `per`; write the time for that many requests, as in { requests = 10, per = \"1m\" }");
        }
        Some(Self { requests, per, burst, by })
    }
}

impl Read for RateKey {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "\"client\" or \"header:NAME\"";
        let Value::String(text) = item.value else { return item.expected(HOW) };
        if text == "client" {
            return Some(Self::Client);
        }
        let Some(name) = text.strip_prefix("header:") else {
            return item.fail(format!("`{text}` is not known here; write {HOW}"));
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(fits) {
            return item.fail(format!("`{name}` is not a header's name"));
        }
        Some(Self::Header(name.to_ascii_lowercase()))
    }
}
