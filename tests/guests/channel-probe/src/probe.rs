//! Channels that are handed in and out.

use serde::{Deserialize, Serialize};
use skep_sdk::{
    channel::{End, Joined, Payload, Reply},
    prelude::*,
    serde_json::Value,
};

use crate::memory::{Memory, Params};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Probe(pub(crate) Memory);

#[skep::channel("probe:*", part, intercept = ["secret"])]
impl Probe {
    fn join(params: Params, socket: &mut Socket) -> Result<Joined<Self>> {
        Ok(Memory::join(params, socket)?.map(Probe))
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

/// Has nothing but what it must.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bare;

#[skep::channel("probe:bare", part)]
impl Bare {
    fn join() -> Self {
        Bare
    }
}
