//! `l2` of a bucket: the Redis behind it, which several hosts share.

use std::path::PathBuf;
use std::time::Duration;

use skep_types::ByteSize;
use toml::Value;

use crate::caches::{CacheConfig, CacheKind};
use crate::read::{Item, Read};
use crate::secret::SecretRef;

const SCHEMES: [&str; 3] = ["redis://", "rediss://", "redis+unix:///"];
/// Who waits for a second tier for longer than this had better load the value.
const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
/// What is older need not be called a copy.
const FRESH_MAX: Duration = Duration::from_secs(3600);
const IN_FLIGHT_MAX: usize = 65_536;
/// It goes through one connection, in which others wait behind it.
const VALUE_MAX: ByteSize = ByteSize::mib(32);
const PREFIX_MAX: usize = 64;

/// A Redis behind a bucket: what is written goes there as well, and what memory has not is looked for there. When it fails,
/// memory goes on alone, and guests notice nothing but misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondTier {
    /// Where it is.
    pub url: SecondTierUrl,
    /// The user. Default: the one in the URL, or Redis's default user.
    pub username: Option<String>,
    /// The password. Default: the one in the URL if that is a secret, or none.
    pub password: Option<SecretRef>,
    /// A file with certificates, in PEM, of who may have signed the server's. Default: whom the machine trusts.
    pub ca: Option<PathBuf>,
    /// What all its keys in Redis begin with. Default `skep`; 1 to 64 letters, digits, `.`, `_` and `-`.
    pub prefix: String,
    /// How old a copy in memory may be before Redis is asked again, although it has told of no change. Default 5 s, 0 to 1 h;
    /// at 0 it is always asked.
    pub fresh: Duration,
    /// The longest that a caller waits for Redis. Default 50 ms, 1 ms to 10 s.
    pub timeout: Duration,
    /// Questions under way at once; one more waits for its turn within `timeout`. Default 256, 1 to 65,536.
    pub in_flight: usize,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecondTierUrl {
    /// As it is written, without a password.
    Written(String),
    /// In a secret, with or without one.
    Secret(SecretRef),
}

impl Default for SecondTier {
    fn default() -> Self {
        Self {
            url: SecondTierUrl::Written("redis://127.0.0.1:6379".to_owned()),
            username: None,
            password: None,
            ca: None,
            prefix: "skep".to_owned(),
            fresh: Duration::from_secs(5),
            timeout: Duration::from_millis(50),
            in_flight: 256,
        }
    }
}

impl Read for SecondTier {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::String(_) => Some(Self { url: SecondTierUrl::read(item)?, ..Self::default() }),
            Value::Table(_) => read_table(item),
            _ => item
                .expected("a URL such as \"redis://cache:6379\", or a table such as { url = \"…\", fresh = \"5s\" }"),
        }
    }
}

fn read_table(item: &Item<'_>) -> Option<SecondTier> {
    let mut table = item.section()?;
    let url = table.require("url", "is needed: where the Redis is, as in \"redis://cache:6379\"");
    let mut tier =
        SecondTier { username: table.get("username"), password: table.get("password"), ..SecondTier::default() };
    if let Some(ca) = table.item("ca") {
        tier.ca = PathBuf::read(&ca);
        if matches!(&url, Some(SecondTierUrl::Written(url)) if !url.starts_with("rediss://")) {
            ca.fail::<()>("is for TLS: write `rediss://` in the URL");
        }
    }
    if let Some(prefix) = table.item("prefix") {
        tier.prefix = read_prefix(&prefix).unwrap_or(tier.prefix);
    }
    table.bounded("fresh", &mut tier.fresh, Duration::ZERO..=FRESH_MAX);
    table.bounded("timeout", &mut tier.timeout, TIMEOUT);
    table.bounded("in_flight", &mut tier.in_flight, 1..=IN_FLIGHT_MAX);
    table.finish();
    tier.url = url?;
    Some(tier)
}

fn read_prefix(item: &Item<'_>) -> Option<String> {
    let text = String::read(item)?;
    // Neither a colon nor a brace, which end it in the names of keys.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=PREFIX_MAX).contains(&text.len()) && text.chars().all(allowed);
    if fits { Some(text) } else { item.fail("is 1 to 64 letters, digits, `.`, `_` and `-`") }
}

impl Read for SecondTierUrl {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(url) = item.value else { return SecretRef::read(item).map(Self::Secret) };
        // No message repeats the URL: it may have a password in it.
        let Some(rest) = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme)).filter(|rest| !rest.is_empty())
        else {
            return item.fail(
                "is no Redis: write `redis://HOST[:PORT][/DATABASE]`, `rediss://` for TLS, or `redis+unix:///PATH`",
            );
        };
        if rest.contains(['?', '#']) {
            return item.fail("has parameters: there are none, the other keys of `l2` say all");
        }
        if !url.starts_with("redis+unix") && rest.contains('@') {
            return item.fail(
                "has a user or a password in it: a secret stays out of the manifest. Write `l2 = { url = \"…\", username = \"…\", \
                 password = { env = \"NAME\" } }`, or `url = { env = \"NAME\" }` for the whole",
            );
        }
        Some(Self::Written(url.clone()))
    }
}

/// What a bucket with a second tier cannot be.
pub(crate) fn check(bucket: &CacheConfig, item: &Item<'_>) {
    if bucket.kind == CacheKind::Table {
        item.fail::<()>(
            "is for `kind = \"cache\"`: a table never loses an entry, and Redis may; leave `kind` away, or write `write_behind`",
        );
    }
    if bucket.persist {
        item.fail::<()>("cannot go with `persist`: Redis keeps the bucket over restarts; write one of them");
    }
    if bucket.idle.is_some() {
        item.fail::<()>("cannot go with `idle`: no host sees what another one reads; write `ttl`");
    }
    if bucket.value_bytes > VALUE_MAX {
        item.fail::<()>(format!("takes values of at most {VALUE_MAX}: lower `value_bytes`"));
    }
}
