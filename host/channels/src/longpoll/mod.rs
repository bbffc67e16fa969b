//! Sockets whose transport is polls and posts, as `Phoenix.Transports.LongPoll`.
//!
//! | module | holds |
//! |---|---|
//! | `format` | bodies of posts and answers, as functions over bytes |
//! | `session` | one session: a task that holds its socket |
//!
//! A session is known by a token of 192 random bits, on this node only: elsewhere it is a bad token, and the client gets a
//! new session.

mod format;
mod session;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use skep_types::{Failure, FailureKind, Phase};
use tokio::sync::{mpsc, oneshot};

use crate::hub::{Channels, RETRY_AFTER};
use crate::mount::Mount;
use crate::port::Refused;
use crate::socket::Socket;
use crate::wire::Frame;

pub use format::{LINES_MAX, answer, read_body, status};
use session::{Request, Session};

/// Requests to one session that wait for their turn.
const REQUESTS: usize = 8;

/// All sessions, by their tokens.
#[derive(Default)]
pub(crate) struct Sessions {
    all: DashMap<Arc<str>, Entry, RandomState>,
    len: AtomicUsize,
}

struct Entry {
    mount: Arc<Mount>,
    requests: mpsc::Sender<Box<Request>>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    fn forget(&self, token: &str) {
        if self.all.remove(token).is_some() {
            self.len.fetch_sub(1, Relaxed);
        }
    }

    fn find(&self, mount: &Arc<Mount>, token: &str) -> Option<mpsc::Sender<Box<Request>>> {
        let entry = self.all.get(token)?;
        Arc::ptr_eq(&entry.mount, mount).then(|| entry.requests.clone())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// What a poll brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Messages, of which there is at least one: 200.
    Messages(Vec<Frame>),
    /// None within the window, or another poll of the same session came: 204.
    Nothing,
    /// There is no such session: the client gets a new one, with 410.
    Gone,
}

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The socket has all of it: 200.
    Taken,
    /// There is no such session: 410.
    Gone,
    /// The socket closed, as on a malformed message, or did not take all of it within the window: 408.
    Failed,
}

impl Channels {
    /// Opens a session with a socket, which lives in a task of its own from now on; returns its token.
    ///
    /// # Errors
    /// [`Refused::Failed`] at `sessions_max`, or if the system has no random numbers.
    pub fn open_session(&self, socket: Socket) -> Result<Arc<str>, Refused> {
        let (hub, sessions) = (&self.0, &self.0.sessions);
        let failed =
            |kind, detail: String| Refused::Failed(Failure::new(kind, Phase::Queue, detail).retry_after(RETRY_AFTER));
        let mut secret = [0; 24];
        getrandom::fill(&mut secret).map_err(|error| failed(FailureKind::Internal, error.to_string()))?;
        if sessions.len.fetch_add(1, Relaxed) >= hub.options.sessions_max {
            sessions.len.fetch_sub(1, Relaxed);
            return Err(failed(FailureKind::Overloaded, format!("{} sessions are open", hub.options.sessions_max)));
        }
        let token: Arc<str> = URL_SAFE_NO_PAD.encode(secret).into();
        let (sender, requests) = mpsc::channel(REQUESTS);
        let mount = Arc::clone(&socket.info().0.mount);
        sessions.all.insert(Arc::clone(&token), Entry { mount, requests: sender });
        let forget = Forget { hub: Arc::clone(hub), token: Arc::clone(&token) };
        tokio::spawn(async move {
            Session::new(socket, requests).run().await;
            drop(forget);
        });
        Ok(token)
    }

    /// Waits for messages of a session, for up to a window. Giving up loses no message.
    pub async fn poll_session(&self, mount: &Arc<Mount>, token: &str) -> Polled {
        let Some(requests) = self.0.sessions.find(mount, token) else { return Polled::Gone };
        let (answer, answered) = oneshot::channel();
        if requests.send(Box::new(Request::Poll(answer))).await.is_err() {
            return Polled::Gone;
        }
        // A session that ends meanwhile has nothing more to say; the next poll is told.
        answered.await.unwrap_or(Polled::Nothing)
    }

    /// Hands messages to a session.
    pub async fn post_session(&self, mount: &Arc<Mount>, token: &str, frames: Vec<Frame>) -> Posted {
        let Some(requests) = self.0.sessions.find(mount, token) else { return Posted::Gone };
        let (answer, answered) = oneshot::channel();
        let post = async {
            if requests.send(Box::new(Request::Post(frames, answer))).await.is_err() {
                return Posted::Gone;
            }
            answered.await.unwrap_or(Posted::Failed)
        };
        tokio::time::timeout(mount.options().window, post).await.unwrap_or(Posted::Failed)
    }

    /// Ends a session whose client has posted what is no message. Whether there was one.
    pub async fn fail_session(&self, mount: &Arc<Mount>, token: &str) -> bool {
        let Some(requests) = self.0.sessions.find(mount, token) else { return false };
        requests.send(Box::new(Request::Fail)).await.is_ok()
    }
}

/// Forgets the session however its task ends.
struct Forget {
    hub: Arc<crate::hub::Hub>,
    token: Arc<str>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.hub.sessions.forget(&self.token);
    }
}
