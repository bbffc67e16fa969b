#![deny(warnings, missing_docs)]
//! Channels of all shapes, one of them a process, a socket and a WebSocket in one plugin.

use serde::{Deserialize, Serialize};
use skep_sdk::{channel::End, prelude::*, test, websocket::Frame};

#[derive(Serialize, Deserialize)]
struct Room {
    said: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    NewMsg { body: String },
    Count,
}

mod far {
    use serde::{Deserialize, Serialize};
    use skep_sdk::{
        channel::{Joined, Payload, Reply},
        prelude::*,
    };

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Lobby;

    #[skep::channel("room:lobby", part)]
    impl Lobby {
        fn join(_params: Payload) -> Joined<Self> {
            Joined::new(Lobby)
        }

        fn handle_in(&self, _event: &str) -> Reply {
            Reply::None
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Game(u32);

    #[skep::channel("game:*", process, part, name = "game_2")]
    impl Game {
        fn join() -> Result<Self> {
            Ok(Game(0))
        }

        fn handle_in(&mut self, event: &str, by: u32) -> Result<Option<Json<u32>>> {
            self.0 += by;
            Ok((event == "add").then(|| Json(self.0)))
        }
    }
}

/// What clients join.
#[skep::channels]
mod channels {
    use skep_sdk::prelude::*;

    use super::{End, In};

    /// Beside them is whatever else.
    const STEP: u32 = 1;

    #[skep::channel("room:*", intercept = ["new_msg"])]
    impl super::Room {
        fn join(user: String, socket: &mut Socket) -> Result<(Self, Json<String>)> {
            let said = socket.assigns()?;
            Ok((super::Room { said }, Json(user)))
        }

        fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<Option<Json<u32>>> {
            self.said += STEP;
            match message {
                In::NewMsg { body } => socket.broadcast("new_msg", &body)?,
                In::Count => return Ok(Some(Json(self.said))),
            }
            Ok(None)
        }

        fn handle_out(&mut self, event: &str, body: String, socket: &mut Socket) -> Result<()> {
            socket.push(event, &body.to_uppercase())
        }

        fn handle_info(&mut self, _message: Message) {}

        fn terminate(&mut self, _end: &End) {}
    }

    #[channel]
    use super::far::Lobby;
    #[channel(process)]
    use super::far::Game;
}

#[derive(Deserialize)]
struct Params {
    said: u32,
}

#[skep::socket]
fn connect(Query(Params { said }): Query<Params>, connecting: Connecting) -> Result<Connected> {
    let token = connecting.token.reject(StatusCode::UNAUTHORIZED, "sign in first")?;
    Ok(Connected::new(&said).id(token))
}

#[derive(Serialize, Deserialize)]
struct Echo;

#[skep::websocket]
impl Echo {
    fn open() -> Self {
        Echo
    }

    fn message(&self, frame: Frame, socket: &mut WebSocket) {
        socket.send(frame);
    }
}

fn main() {
    let socket = test::get("/socket?said=7").connect(Some("maja"), connect).unwrap();
    let room = socket.join::<Room>("room:1", "maja").unwrap();
    assert_eq!((room.reply::<String>(), room.push("count", &json!({})).ok::<u32>()), ("maja".to_owned(), 8));
    room.push("new_msg", &json!({"body": "hi"}));
    assert_eq!(room.received()[0].json::<String>(), "HI");
    let game = socket.join_process::<far::Game>("game:1", &json!({})).unwrap();
    assert_eq!(game.push("add", &5).ok::<u32>(), 5);
    let lobby = socket.join::<far::Lobby>("room:lobby", &json!({})).unwrap();
    assert!(lobby.push("hi", &json!({})).reply().is_none());
    let echo = test::get("/").open_websocket::<Echo>().unwrap();
    echo.send("hi");
    assert_eq!(echo.received(), [Frame::from("hi")]);
}
