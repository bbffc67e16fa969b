//! The raw WebSocket. It may be opened with `refuse=WHY`, `do=trap` and the like, and with `text=`, what it remembers. Of the
//! protocols that a client offers it takes `probe.2`, if that is among them.
//!
//! Binary messages come back. Of text the first word says what is done:
//!
//! | said | does |
//! |---|---|
//! | `echo TEXT`, `many N` | sends it; sends `1` to `N` |
//! | `binary TEXT` | sends it as bytes |
//! | `count`, `text`, `assign TEXT`, `id` | sends the number of messages, what it remembers; remembers; sends the socket's id |
//! | `subscribe TOPICS`, `unsubscribe TOPICS` | what is heard is sent as `TOPIC TEXT` |
//! | `track TOPIC` | a presence there under what it remembers |
//! | `close CODE REASON` | |
//! | `error WHY`, `trap`, `panic`, `spin`, `bomb`, `sleep MS` | fails, dies, takes its time |
//!
//! When it is closed it writes the code under `closed:TEXT`.

use serde::{Deserialize, Serialize};
use skep_sdk::{
    prelude::*,
    websocket::{Accepted, Frame, Upgrade},
};

use crate::memory::die;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Raw {
    text: String,
    said: u64,
}

#[derive(Deserialize)]
struct Params {
    refuse: Option<String>,
    #[serde(rename = "do", default)]
    does: String,
    #[serde(default)]
    text: String,
}

#[skep::websocket]
impl Raw {
    fn open(Query(params): Query<Params>, upgrade: Upgrade) -> Result<Accepted<Self>> {
        if let Some(why) = params.refuse {
            return Err(Error::new(StatusCode::FORBIDDEN, why));
        }
        die(&params.does, "1000")?;
        let accepted = Accepted::new(Raw { text: params.text, said: 0 }).first("hello");
        let is_known = upgrade.protocols.iter().any(|protocol| protocol == "probe.2");
        Ok(if is_known { accepted.protocol("probe.2") } else { accepted })
    }

    fn message(&mut self, frame: Frame, socket: &mut WebSocket) -> Result<()> {
        self.said += 1;
        let Frame::Text(said) = frame else {
            socket.send(frame);
            return Ok(());
        };
        let (verb, rest) = said.split_once(' ').unwrap_or((&said, ""));
        match verb {
            "echo" => socket.send(rest),
            "many" => (1..=rest.parse::<u64>()?).for_each(|number| socket.send(number.to_string())),
            "binary" => socket.send(rest.as_bytes().to_vec()),
            "count" => socket.send(self.said.to_string()),
            "text" => socket.send(self.text.as_str()),
            "assign" => rest.clone_into(&mut self.text),
            "id" => socket.send(socket.id().to_string()),
            "subscribe" => socket.subscribe(rest),
            "unsubscribe" => socket.unsubscribe(rest),
            "track" => drop(presence::track(&socket.owner(), rest, &self.text, &json!({}))?),
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                socket.close(code.parse()?, reason);
            }
            "error" => return Err(Error::new(StatusCode::CONFLICT, rest.to_owned())),
            verb if die(verb, rest)? => {}
            _ => socket.send("?"),
        }
        Ok(())
    }

    fn handle_info(&mut self, topic: &str, message: Message, socket: &mut WebSocket) -> Result<()> {
        socket.send(format!("{topic} {}", message.text()?));
        Ok(())
    }

    fn close(&mut self, code: u16) -> Result<()> {
        store::set(&format!("closed:{}", self.text), &code.to_string())?;
        Ok(())
    }
}
