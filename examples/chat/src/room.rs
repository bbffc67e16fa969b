//! A room, as one browser has joined it.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{User, said::Said};

/// What the host keeps for the browser between its messages.
#[derive(Debug, Serialize, Deserialize)]
pub struct Room {
    user: String,
    is_typing: bool,
}

/// What browsers say: an event is a variant, and what belongs to it its fields.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    NewMsg { body: String },
    Typing { typing: bool },
}

/// What a browser is told when it joins.
#[derive(Serialize, Deserialize)]
pub struct Welcome {
    pub before: Vec<Said>,
}

#[skep::channel("room:*")]
impl Room {
    /// What is said while this runs comes after the reply, and so maybe twice: the browser goes by the ids.
    fn join(socket: &mut Socket) -> Result<(Self, Json<Welcome>)> {
        let User { name } = socket.assigns()?;
        Presence::track(socket, &name, &json!({"typing": false}))?;
        Presence::push(socket);
        let welcome = Welcome { before: Said::before(socket.subtopic())? };
        Ok((Room { user: name, is_typing: false }, Json(welcome)))
    }

    fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<()> {
        match message {
            In::NewMsg { body } => {
                let said = Said::keep(socket.subtopic(), &self.user, &body)?;
                socket.broadcast("new_msg", &said)?;
                self.typing(false, socket)
            }
            In::Typing { typing } => self.typing(typing, socket),
        }
    }
}

impl Room {
    /// Who types is a matter of who is there: the host tells the others.
    fn typing(&mut self, typing: bool, socket: &Socket) -> Result<()> {
        if typing != self.is_typing {
            Presence::update(socket, &self.user, &json!({"typing": typing}))?;
            self.is_typing = typing;
        }
        Ok(())
    }
}
