//! Who may open a socket, by the parameters:
//!
//! | parameter | does |
//! |---|---|
//! | `user=NAME` | names the socket `user:NAME`; without it, it has no name |
//! | `refuse=WHY` | refuses |
//! | `do=trap`, `panic`, `spin`, `bomb`, `sleep` | dies so, or takes a second |
//! | `big=BYTES` | so many bytes of assigns more |
//!
//! The assigns are what it has seen: `{"user", "token", "mount", "client", "headers": {"x-a": "b"}}`.

use std::collections::BTreeMap;

use hostile_common::Query;
use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::memory::die;

/// What every channel of the socket begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) user: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) mount: String,
    pub(crate) client: String,
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ballast: String,
}

#[skep::socket]
pub(crate) fn connect(request: Request, connecting: Connecting) -> Result<Connected> {
    let query = Query::parse(request.query());
    if let Some(why) = query.get("refuse") {
        return Err(Error::new(StatusCode::FORBIDDEN, why.to_owned()));
    }
    die(query.get("do").unwrap_or_default(), "1000")?;
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let user = query.get("user").map(str::to_owned);
    let seen = Seen {
        user: user.clone(),
        token: connecting.token,
        mount: connecting.mount,
        client: request.client(),
        headers: headers.collect(),
        ballast: "x".repeat(query.number("big", 0).try_into().unwrap_or(0)),
    };
    let connected = Connected::new(&seen);
    Ok(match user {
        Some(user) => connected.id(format!("user:{user}")),
        None => connected,
    })
}
