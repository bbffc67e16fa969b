//! A room, as one client has joined it.
//!
//! | event | payload | does |
//! |---|---|---|
//! | `echo` | any, binary too | replies it |
//! | `size` | any, binary too | replies `{"bytes"}` |
//! | `refuse` | `{"why"}` | replies an error |
//! | `silent` | | no reply |
//! | `later` | `{"key"}` | no reply now |
//! | `answer` | `{"key", "status", "body"}` | replies to who said `later` |
//! | `shout` | any, binary too | to all in the room |
//! | `broadcast` | any, binary too | to all others in the room |
//! | `whisper` | any, binary too | back to this client only |
//! | `bytes` | `{"values"}` | these as bytes: the reply, and as `whisper` and `shout` |
//! | `mood` | `{"mood"}` | updates the client's presence |
//! | `crash` | | dies |
//! | `poison` | | the channels of all others in the room die: they intercept it |
//! | `stop` | | closes the channel |
//! | `kick` | `{"user"}` | closes the sockets of that user |
//!
//! What has no reply of its own replies `{}`. Nobody may join `room:closed`.

use serde::{Deserialize, Serialize};
use skep_sdk::{
    channel::{Joined, Payload, Reply, ReplyTo, Status, unknown_event},
    prelude::*,
    serde_json::Value,
};

use crate::User;

#[derive(Serialize, Deserialize)]
struct Member {
    user: String,
    /// How many messages of this client came: kept by the host in between.
    said: u32,
}

#[derive(Deserialize)]
struct Why {
    why: String,
}

#[derive(Deserialize)]
struct Later {
    key: String,
}

#[derive(Deserialize)]
struct Answer {
    key: String,
    status: String,
    body: Value,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Mood {
    mood: String,
}

#[derive(Deserialize)]
struct Kick {
    user: String,
}

impl Member {
    fn join(params: Value, socket: &mut Socket) -> Result<Joined<Self>> {
        if socket.subtopic() == "closed" {
            return Err(Error::new(StatusCode::FORBIDDEN, "the room is closed"));
        }
        let User { user, token } = socket.assigns()?;
        Presence::track(socket, &user, &Mood { mood: "new".into() })?;
        Presence::push(socket);
        let told = json!({"user": user, "token": token, "params": params});
        Ok(Joined::new(Self { user, said: 0 }).reply(Payload::json(&told)?))
    }

    fn said(&mut self, event: &str, payload: Payload, socket: &mut Socket) -> Result<Reply> {
        self.said += 1;
        match event {
            "echo" => return Ok(Reply::Now(Status::Ok, payload)),
            "size" => return Reply::ok(&json!({"bytes": payload.as_bytes().len(), "said": self.said})),
            "refuse" => return Err(Error::new(StatusCode::CONFLICT, payload.read::<Why>()?.why)),
            "silent" => return Ok(Reply::None),
            "later" => {
                store::set(&format!("later:{}", payload.read::<Later>()?.key), &socket.reply_later())?;
                return Ok(Reply::None);
            }
            "answer" => {
                let Answer { key, status, body } = payload.read()?;
                let client: ReplyTo = store::get(&format!("later:{key}"))?.context("nobody waits under this key")?;
                let status = if status == "ok" { Status::Ok } else { Status::Error };
                client.status(&status, &body)?;
            }
            "shout" => socket.broadcast_payload("shout", payload),
            "broadcast" => socket.broadcast_from_payload("broadcast", payload),
            "whisper" => socket.push_payload("whisper", payload),
            "bytes" => {
                let bytes: Payload = payload.read::<Values>()?.values.into();
                socket.push_payload("whisper", bytes.clone());
                socket.broadcast_payload("shout", bytes.clone());
                return Ok(Reply::Now(Status::Ok, bytes));
            }
            "mood" => {
                Presence::update(socket, &self.user, &payload.read::<Mood>()?)?;
            }
            "crash" => panic!("a client asked for it"),
            "poison" => socket.broadcast_from("poison", &json!({}))?,
            "stop" => socket.stop("normal"),
            "kick" => channel::disconnect(&format!("user:{}", payload.read::<Kick>()?.user))?,
            unknown => return Err(unknown_event(unknown)),
        }
        Ok(Reply::Now(Status::Ok, Payload::default()))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Room(Member);

#[skep::channel("room:*", part, intercept = ["poison"])]
impl Room {
    fn join(params: Value, socket: &mut Socket) -> Result<Joined<Self>> {
        Ok(Member::join(params, socket)?.map(Self))
    }

    fn handle_in(&mut self, event: &str, payload: Payload, socket: &mut Socket) -> Result<Reply> {
        self.0.said(event, payload, socket)
    }

    fn handle_out(&mut self, event: &str, _: Payload, _: &mut Socket) -> Result<()> {
        panic!("{event}")
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Realtime(Member);

#[skep::channel("realtime:*", part, intercept = ["poison"])]
impl Realtime {
    fn join(params: Value, socket: &mut Socket) -> Result<Joined<Self>> {
        Ok(Member::join(params, socket)?.map(Self))
    }

    fn handle_in(&mut self, event: &str, payload: Payload, socket: &mut Socket) -> Result<Reply> {
        self.0.said(event, payload, socket)
    }

    fn handle_out(&mut self, event: &str, _: Payload, _: &mut Socket) -> Result<()> {
        panic!("{event}")
    }
}
