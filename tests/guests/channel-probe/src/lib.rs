//! A guest over `skep:plugin/channel` and `skep:plugin/websocket`, by the SDK: its channels, its WebSockets and its routes do as
//! they are told. `socket-handler`, `channel-handler`, `process-handler`, `websocket-handler` and `http-handler` in one
//! component.
//!
//! | topic | is |
//! |---|---|
//! | `probe:*` | a channel that is handed in and out; what it is told is in `memory.rs`. It intercepts `secret` |
//! | `probe:bare` | one with `join` only |
//! | `live:*` | the same as `probe:*`, as a process of the kind `live` |
//!
//! Who may open a socket is in `connect.rs`, the raw WebSocket in `raw.rs`.
//!
//! | route | does |
//! |---|---|
//! | `/push?channel=&event=&body=` | pushes JSON to one channel |
//! | `/reply?key=&status=&body=` | replies to the client that said `later KEY` |
//! | `/broadcast?topic=&event=&body=&binary=` | broadcasts; with `binary=1` the body as bytes |
//! | `/publish?topic=&event=&body=` | publishes by pubsub; `event` may be left out |
//! | `/disconnect?id=` | closes the sockets of that name |
//! | `/send?socket=&text=`, `/close?socket=&code=&reason=` | to a raw WebSocket |
//! | `/get?k=` | the text of the store, or `none` |
//! | `/members?topic=` | the keys of the presences there, split by `,` |
//! | `/state?topic=` | the same as phoenix.js gets it |
//!
//! Answers are `ok` where there is nothing else to say. What the host refuses is a 409 with the capability's error. The last
//! segment of the path decides.

mod connect;
mod live;
mod memory;
mod probe;
mod raw;

use hostile_common::Query;
use skep_sdk::{
    channel::{ChannelId, Payload, ReplyTo},
    prelude::*,
    websocket::WebSocketId,
};

#[skep::channels]
mod channels {
    #[channel(process)]
    pub(crate) use super::live::LiveProbe;
    #[channel]
    pub(crate) use super::probe::Bare;
    #[channel]
    pub(crate) use super::probe::Probe;
}

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    match operate(route, &query) {
        Ok(text) => text.into_response(),
        Err(error) => match error.capability() {
            Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
            None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

fn operate(route: &str, query: &Query) -> Result<String> {
    let get = |name: &str| query.get(name).unwrap_or_default();
    let body = Payload::Json(get("body").to_owned());
    match route {
        "" | "ok" => {}
        "push" => channel::push_payload(&ChannelId::new(get("channel")), get("event"), &body)?,
        "reply" => {
            let client: ReplyTo =
                store::get(&format!("later:{}", get("key")))?.context("nobody waits under this key")?;
            client.send(&memory::status(query.get("status").unwrap_or("ok")), &body)?;
        }
        "broadcast" => {
            let is_binary = query.get("binary").is_some();
            let body = if is_binary { Payload::from(get("body").as_bytes().to_vec()) } else { body };
            channel::broadcast_payload(get("topic"), get("event"), &body)?;
        }
        "publish" => {
            let message = pubsub::to(get("topic"));
            let message = match query.get("event") {
                Some(event) => message.event(event),
                None => message,
            };
            message.publish_bytes(get("body"))?;
        }
        "disconnect" => channel::disconnect(get("id"))?,
        "send" => WebSocketId::new(get("socket")).send(get("text"))?,
        "close" => WebSocketId::new(get("socket")).close(code(query), get("reason"))?,
        "get" => return Ok(store::get::<String>(get("k"))?.unwrap_or_else(|| "none".to_owned())),
        "members" => {
            let keys = presence::list(get("topic")).map(|member| Ok(member?.key));
            return Ok(keys.collect::<Result<Vec<_>>>()?.join(","));
        }
        "state" => return Ok(presence::state(get("topic"))?.to_string()),
        _ => return Ok("no such route".to_owned()),
    }
    Ok("ok".to_owned())
}

fn code(query: &Query) -> u16 {
    query.number("code", 1000).try_into().unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
