//! What the clients join: a room whose channel does what each of them can ask for. Payloads are objects, because some
//! clients send nothing else. `room:*` is the same as `realtime:*`, which the `realtime` of PyPI puts before each topic.

mod room;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[skep::channels]
mod channels {
    #[channel]
    pub(crate) use super::room::Realtime;
    #[channel]
    pub(crate) use super::room::Room;
}

/// What every channel of a socket knows of its client.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) user: String,
    pub(crate) token: Option<String>,
}

#[derive(Deserialize)]
struct Params {
    user: String,
}

/// `nobody` gets no socket.
#[skep::socket]
fn connect(Query(Params { user }): Query<Params>, Connecting { token, .. }: Connecting) -> Result<Connected> {
    if user == "nobody" {
        return Err(Error::new(StatusCode::FORBIDDEN, "nobody may not come"));
    }
    Ok(Connected::new(&User { user: user.clone(), token }).id(format!("user:{user}")))
}

/// A page without anything, for browsers: their sockets have to come from a page of this host.
#[skep::http]
fn page(_: Request) -> Html<&'static str> {
    Html("<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>clients</title>")
}
