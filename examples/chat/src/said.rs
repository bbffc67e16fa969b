//! What is said in a room, and what was said before: the log of a topic that the manifest retains.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::text;

const BODY_CHARS_MAX: usize = 500;
/// As many as the manifest retains.
const BEFORE_MAX: u32 = 100;

/// A message, as browsers get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Its place in the room's log: a browser that gets one twice, as history and as news, shows it once.
    pub id: u64,
    pub user: String,
    pub body: String,
}

/// The same in the log, where the message's own id is the id.
#[derive(Serialize, Deserialize)]
struct Kept {
    user: String,
    body: String,
}

impl Said {
    /// Puts it into the room's log.
    pub fn keep(room: &str, user: &str, body: &str) -> Result<Self> {
        let body =
            text(body, BODY_CHARS_MAX).reject(StatusCode::UNPROCESSABLE_ENTITY, "a message has 1 to 500 characters")?;
        let kept = Kept { user: user.to_owned(), body };
        let id = pubsub::publish(&log(room), &kept)?.context("the manifest retains no topic `said:*`")?;
        let Kept { user, body } = kept;
        Ok(Self { id, user, body })
    }

    /// What the log still has, the oldest first.
    pub fn before(room: &str) -> Result<Vec<Self>> {
        let history = pubsub::since(&log(room), None, BEFORE_MAX)?;
        let read = |message: &Message| {
            let Kept { user, body } = message.json()?;
            Ok(Self { id: message.id().unwrap_or_default(), user, body })
        };
        history.messages.iter().map(read).collect()
    }
}

fn log(room: &str) -> String {
    format!("said:{room}")
}
