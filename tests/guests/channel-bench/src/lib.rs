//! Channels for measurements, by the SDK. Of the topics `room:*` a client joins any, with whatever it says; `echo` is
//! replied as it is, and `shout` is broadcast as `shouted` and not replied. Nothing is remembered.

use serde::{Deserialize, Serialize};
use skep_sdk::channel::{Payload, Reply, Status, unknown_event};
use skep_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
struct Room;

#[skep::channel("room:*")]
impl Room {
    fn join() -> Self {
        Room
    }

    fn handle_in(&mut self, event: &str, payload: Payload, socket: &mut Socket) -> Result<Reply> {
        match event {
            "echo" => Ok(Reply::Now(Status::Ok, payload)),
            "shout" => {
                socket.broadcast_payload("shouted", payload);
                Ok(Reply::None)
            }
            other => Err(unknown_event(other)),
        }
    }
}
