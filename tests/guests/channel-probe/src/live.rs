//! The same as a process.

use serde::{Deserialize, Serialize};
use skep_sdk::{
    channel::{End, Joined, Payload, Reply},
    prelude::*,
    serde_json::Value,
};

use crate::memory::{Memory, Params};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LiveProbe(pub(crate) Memory);

#[skep::channel("live:*", part, name = "live", intercept = ["secret"])]
impl LiveProbe {
    fn join(params: Params, socket: &mut Socket) -> Result<Joined<Self>> {
        Ok(Memory::join(params, socket)?.map(LiveProbe))
    }

    fn handle_in(&mut self, event: &str, payload: Payload, socket: &mut Socket) -> Result<Reply> {
        self.0.said(event, &payload, socket)
    }

    fn handle_out(&mut self, event: &str, said: Value, socket: &mut Socket) -> Result<()> {
        Memory::hid(event, &said, socket)
    }

    fn handle_info(&mut self, topic: &str, message: Message) -> Result<()> {
        self.0.hear(topic, &message)
    }

    fn terminate(&mut self, end: &End, socket: &mut Socket) -> Result<()> {
        self.0.end(end, socket)
    }
}
