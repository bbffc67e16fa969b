//! What the channels `probe:*` and `live:*` remember and do.
//!
//! A client joins with `{}`, or with `do`: `refuse WHY`, `trap`, `panic`, `spin`, `bomb`, `sleep MS`; `text`: what it remembers
//! first; `track`: the key of a presence, which has `presence_state` pushed, too. It is told
//! `{"topic", "id", "seen"}`, of which the last is what `connect` has seen.
//!
//! | event | payload | does |
//! |---|---|---|
//! | `echo` | any, binary too | replies it |
//! | `reply` | `[STATUS, BODY]` | replies it |
//! | `none` | | no reply |
//! | `error` | `WHY` | returns an error |
//! | `push`, `broadcast`, `broadcast_from` | `[EVENT, BODY]` | does it |
//! | `push_binary`, `broadcast_binary` | bytes | does it, as the event `binary` |
//! | `push_many` | `N` | pushes `number` with 1 to N |
//! | `count` | | replies how many messages it has handled |
//! | `assign` | `TEXT` | remembers it |
//! | `assigns` | | replies what it remembers: `{"text", "said", "heard"}` |
//! | `grow` | `BYTES` | remembers a text so long |
//! | `id` | | replies the channel's id |
//! | `later` | `KEY` | the route `/reply` replies |
//! | `subscribe`, `unsubscribe` | `TOPICS` | does it; what is heard is remembered |
//! | `track`, `update` | `[KEY, META]` | does it |
//! | `untrack` | `KEY` | replies whether it was |
//! | `presence` | | pushes `presence_state` |
//! | `stop` | `REASON` | replies `bye`, and stops |
//! | `trap`, `panic`, `spin`, `bomb`, `host_panic`, `sleep` | `"MS"` or anything | dies so, or takes its time |
//!
//! What has no reply of its own replies `{}`. Any other event nobody knows. A broadcast of `secret` that is intercepted is
//! pushed as `{"hidden": true}`; of one that says `"trap"` the channel dies, one that says `"drop"` is not pushed.
//!
//! When it terminates it writes the end under `ended:ID`, and broadcasts `left` with the text that it remembers.

use std::{thread, time::Duration};

use serde::{Deserialize, Serialize};
use skep_sdk::{
    channel::{End, Joined, Payload, Reply, Status, unknown_event},
    prelude::*,
    serde_json::Value,
};

use crate::connect::Seen;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) text: String,
    pub(crate) said: u64,
    pub(crate) heard: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params {
    #[serde(default, rename = "do")]
    does: String,
    #[serde(default)]
    text: String,
    track: Option<String>,
}

impl Memory {
    pub(crate) fn join(params: Params, socket: &mut Socket) -> Result<Joined<Self>> {
        let (verb, rest) = params.does.split_once(' ').unwrap_or((&params.does, ""));
        if verb == "refuse" {
            return Err(Error::new(StatusCode::FORBIDDEN, rest.to_owned()));
        }
        die(verb, rest)?;
        if let Some(key) = params.track {
            Presence::track(socket, &key, &json!({}))?;
            Presence::push(socket);
        }
        let seen: Option<Seen> = socket.assigns()?;
        let told = json!({"topic": socket.topic(), "id": socket.id(), "seen": seen});
        Ok(Joined::new(Self { text: params.text, ..Self::default() }).reply(Payload::json(&told)?))
    }

    pub(crate) fn said(&mut self, event: &str, payload: &Payload, socket: &mut Socket) -> Result<Reply> {
        self.said += 1;
        match event {
            "echo" => return Ok(Reply::Now(Status::Ok, payload.clone())),
            "reply" => {
                let (word, body) = payload.read::<(String, Value)>()?;
                return Reply::status(status(&word), &body);
            }
            "none" => return Ok(Reply::None),
            "error" => return Err(Error::new(StatusCode::CONFLICT, payload.read::<String>()?)),
            "push" | "broadcast" | "broadcast_from" => {
                let (said, body) = payload.read::<(String, Value)>()?;
                match event {
                    "push" => socket.push(&said, &body)?,
                    "broadcast" => socket.broadcast(&said, &body)?,
                    _ => socket.broadcast_from(&said, &body)?,
                }
            }
            "push_binary" => socket.push_payload("binary", payload.clone()),
            "broadcast_binary" => socket.broadcast_payload("binary", payload.clone()),
            "push_many" => (1..=payload.read::<u64>()?).try_for_each(|number| socket.push("number", &number))?,
            "count" => return Reply::ok(&self.said),
            "assign" => self.text = payload.read()?,
            "assigns" => return Reply::ok(self),
            "grow" => self.text = "x".repeat(payload.read()?),
            "id" => return Reply::ok(socket.id()),
            "later" => {
                store::set(&format!("later:{}", payload.read::<String>()?), &socket.reply_later())?;
                return Ok(Reply::None);
            }
            "subscribe" => socket.subscribe(&payload.read::<String>()?),
            "unsubscribe" => socket.unsubscribe(&payload.read::<String>()?),
            "track" | "update" => {
                let (key, meta) = payload.read::<(String, Value)>()?;
                let reference = match event {
                    "track" => Presence::track(socket, &key, &meta)?,
                    _ => Presence::update(socket, &key, &meta)?,
                };
                return Reply::ok(&reference);
            }
            "untrack" => return Reply::ok(&Presence::untrack(socket, &payload.read::<String>()?)?),
            "presence" => Presence::push(socket),
            "stop" => {
                socket.stop(payload.read::<String>()?);
                return Reply::ok("bye");
            }
            verb if die(verb, &payload.read::<String>().unwrap_or_default())? => {}
            unknown => return Err(unknown_event(unknown)),
        }
        Ok(Reply::Now(Status::Ok, Payload::default()))
    }

    pub(crate) fn hid(event: &str, said: &Value, socket: &mut Socket) -> Result<()> {
        match said.as_str() {
            Some("drop") => Ok(()),
            Some(verb) if die(verb, "")? => Ok(()),
            _ => socket.push(event, &json!({"hidden": true})),
        }
    }

    pub(crate) fn hear(&mut self, topic: &str, message: &Message) -> Result<()> {
        let event = message.event().unwrap_or("-");
        self.heard.push(format!("{topic} {event} {}", message.text()?));
        Ok(())
    }

    pub(crate) fn end(&self, end: &End, socket: &mut Socket) -> Result<()> {
        store::set(&format!("ended:{}", socket.id()), &format!("{end:?}"))?;
        socket.broadcast("left", &self.text)
    }
}

pub(crate) fn status(word: &str) -> Status {
    match word {
        "ok" => Status::Ok,
        "error" => Status::Error,
        other => Status::Other(other.to_owned().into()),
    }
}

/// Dies, or takes its time, if the verb says so.
pub(crate) fn die(verb: &str, rest: &str) -> Result<bool> {
    match verb {
        "sleep" => wait(rest.parse().unwrap_or(1)),
        "trap" => hostile_common::trap(),
        "panic" => hostile_common::panic(),
        "spin" => hostile_common::spin(),
        "bomb" => hostile_common::bomb(),
        "host_panic" => hostile_common::host_panic(),
        _ => return Ok(false),
    }
    Ok(true)
}

#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
fn wait(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}
