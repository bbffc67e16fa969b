//! Presence, in the words of a channel.

use serde::Serialize;

use super::{track, untrack, update};
use crate::{Result, channel::Socket};

/// Who is there on a channel's topic, in the words of `Phoenix.Presence`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, test};
///
/// #[derive(Serialize, Deserialize)]
/// struct Room {
///     user: String,
/// }
///
/// #[skep::channel("room:*")]
/// impl Room {
///     fn join(user: String, socket: &mut Socket) -> Result<Self> {
///         Presence::track(socket, &user, &json!({"typing": false}))?;
///         Presence::push(socket);                                    // as `presence_state`, after the reply
///         Ok(Room { user })
///     }
///
///     fn handle_in(&mut self, _typing: &str, typing: bool, socket: &mut Socket) -> Result<()> {
///         Presence::update(socket, &self.user, &json!({"typing": typing}))?;
///         Ok(())
///     }
/// }
///
/// let room = test::socket().join::<Room>("room:7", "maja").unwrap();
/// let state = room.received().remove(0);
/// assert_eq!((&*state.event, &state.json::<serde_json::Value>()["maja"]["metas"][0]["typing"]), ("presence_state", &json!(false)));
/// room.push("typing", &true);
/// assert_eq!(presence::state("room:7")?["maja"]["metas"][0]["typing"], true);
/// room.leave();
/// assert_eq!(presence::count("room:7")?, 0);
/// # use skep_sdk::serde_json;
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Presence(());

impl Presence {
    /// Says that a key is there, for as long as the client has joined the topic. Returns the reference that names this presence
    /// in diffs. It is done at once, and the host tells all that have joined.
    ///
    /// # Errors
    /// As [`track`](fn@super::track).
    pub fn track<T: Serialize + ?Sized>(socket: &Socket, key: &str, meta: &T) -> Result<String> {
        track(&socket.owner(), socket.topic(), key, meta)
    }

    /// Replaces what it says of itself, and returns its new reference.
    ///
    /// # Errors
    /// As [`update`](fn@super::update).
    pub fn update<T: Serialize + ?Sized>(socket: &Socket, key: &str, meta: &T) -> Result<String> {
        update(&socket.owner(), socket.topic(), key, meta)
    }

    /// Says that the key is there no more. Returns whether it was.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn untrack(socket: &Socket, key: &str) -> Result<bool> {
        untrack(&socket.owner(), socket.topic(), key)
    }

    /// Tells this client who is there, when the function has returned: `presence_state`, with which the `Presence` of phoenix.js
    /// begins. Of whoever comes and goes from then on the host tells it.
    pub fn push(socket: &mut Socket) {
        socket.push_presence_state();
    }
}
