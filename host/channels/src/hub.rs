//! The handle: what is done to sockets from outside.
//!
//! | module | holds |
//! |---|---|
//! | `connect` | opening sockets |
//! | `drain` | closing all of them |
//! | `raw` | the same for sockets without channels, and what their plugin does to them |

use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use skep_presence::Mode;
use skep_pubsub::Publish;
use skep_types::{PluginName, TopicId};
use tokio::sync::Notify;

use crate::address::{ChannelId, ReplyRef, SocketId};
use crate::counters::Counters;
use crate::error::Error;
use crate::longpoll::Sessions;
use crate::mount::{Mount, Target};
use crate::options::Options;
use crate::port::{Body, Crash};
use crate::socket::{Close, Early, Flusher, Mail, Phase, Shared};
use crate::wire::{Ref, events};

mod connect;
mod drain;
mod raw;

pub(crate) use connect::RETRY_AFTER;
use connect::{Place, full};
pub use drain::Drain;
pub use raw::RawOpened;

/// The engine. Clones are handles to the same one.
#[derive(Clone)]
pub struct Channels(pub(crate) Arc<Hub>);

pub(crate) struct Hub {
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    pub(crate) sockets: DashMap<SocketId, Arc<Shared>, RandomState>,
    /// Those that are being opened among them.
    places: AtomicUsize,
    next: AtomicU64,
    draining: AtomicBool,
    emptied: Notify,
    pub(crate) sessions: Sessions,
    /// Of the runtime in which the first socket was opened.
    flusher: OnceLock<Option<Arc<Flusher>>>,
}

impl Channels {
    /// An engine without sockets.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Hub {
            sessions: Sessions::default(),
            options,
            counters: Counters::default(),
            sockets: DashMap::default(),
            places: AtomicUsize::new(0),
            // So that a channel of a former life of the host is not taken for another one.
            next: AtomicU64::new(fastrand::u64(..) & !0xffff_ffff),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
            flusher: OnceLock::new(),
        }))
    }

    /// Leads a mount elsewhere. Sockets that are open stay, and so does what waits in them: their channels go on with the
    /// handlers that are there now. Channels that nobody handles any more, or another plugin, fail.
    pub fn swap(&self, mount: &Arc<Mount>, target: Target) {
        mount.target.store(Arc::new(target));
        for entry in &self.0.sockets {
            let shared = entry.value();
            if Arc::ptr_eq(&shared.mount, mount) {
                shared.update(|state| {
                    state.recheck = true;
                    state.run();
                });
            }
        }
    }

    /// Tells everyone who has joined the topic, and whoever else listens to it, on all nodes.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the body is no JSON where it should be, or pubsub refuses the message.
    pub fn broadcast(&self, topic: &TopicId, event: &str, body: Body) -> Result<(), Error> {
        let publish = crate::socket::publish(event, body)?;
        self.publish(topic, publish)
    }

    /// The same, but for the client of one channel of a plugin. One that has ended leaves nobody out.
    ///
    /// # Errors
    /// As for [`Self::broadcast`].
    pub fn broadcast_from(
        &self,
        owner: &PluginName,
        channel: ChannelId,
        topic: &TopicId,
        event: &str,
        body: Body,
    ) -> Result<(), Error> {
        let mut publish = crate::socket::publish(event, body)?;
        if let Ok(shared) = self.0.channel(owner, channel) {
            publish.from = shared.update(|state| state.record(channel.serial)?.heard_as);
        }
        self.publish(topic, publish)
    }

    fn publish(&self, topic: &TopicId, publish: Publish) -> Result<(), Error> {
        let published = self.0.options.pubsub.publish(topic, publish);
        published.map(drop).map_err(|error| Error::Invalid(error.to_string()))
    }

    /// Tells the client of one channel of a plugin.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has not joined, or is another plugin's; [`Error::Invalid`] for a body that cannot be sent.
    pub fn push(&self, owner: &PluginName, channel: ChannelId, event: &str, body: &Body) -> Result<(), Error> {
        crate::socket::checked(body)?;
        let shared = self.0.channel(owner, channel)?;
        Ok(self.0.push_now(&shared, channel.serial, event, body)?)
    }

    /// Ends one channel of a plugin: in order (`phx_close`) for `normal`, `shutdown` and what begins with `shutdown:`, otherwise
    /// as a crash (`phx_error`). What waits for it is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has neither joined nor is about to, or is another plugin's.
    pub fn stop(&self, owner: &PluginName, channel: ChannelId, reason: &str) -> Result<(), Error> {
        let shared = self.0.channel(owner, channel)?;
        let stopped = shared.update(|state| {
            let record = state.record(channel.serial).filter(|record| record.hears())?;
            record.mail.push_front(Mail::Stop(reason.to_owned()));
            state.run();
            Some(())
        });
        stopped.ok_or(Error::NotFound)
    }

    /// Answers a message of a channel of a plugin, or its join while that is in hand. That it was answered before is not known.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn reply(&self, owner: &PluginName, to: &ReplyRef, status: &str, body: &Body) -> Result<(), Error> {
        crate::socket::checked(body)?;
        let shared = self.0.channel(owner, to.channel)?;
        Ok(self.0.reply_now(&shared, to.channel.serial, &to.reference, status, body)?)
    }

    /// Closes all sockets of this name, on all nodes: a topic of the plugin that let them in.
    ///
    /// # Errors
    /// [`Error::Invalid`] if pubsub refuses the message.
    pub fn disconnect(&self, name: &TopicId) -> Result<(), Error> {
        self.broadcast(name, events::DISCONNECT, Body::empty())
    }

    /// Closes a socket of this node. Whether there was one.
    #[must_use = "it says whether there was one"]
    pub fn close(&self, id: SocketId) -> bool {
        self.0.find(id).map(|shared| shared.close(Close::DISCONNECTED)).is_some()
    }

    /// Closes all sockets of a mount that leads nowhere any more.
    pub fn close_mount(&self, mount: &Arc<Mount>) {
        for entry in &self.0.sockets {
            if Arc::ptr_eq(&entry.value().mount, mount) {
                entry.value().close(Close::DISCONNECTED);
            }
        }
    }
}

impl Hub {
    pub(crate) fn find(&self, id: SocketId) -> Option<Arc<Shared>> {
        self.sockets.get(&id).map(|entry| Arc::clone(entry.value()))
    }

    /// Sockets, those that are being opened among them.
    pub(crate) fn count(&self) -> usize {
        self.places.load(SeqCst)
    }

    /// The socket of a channel that has joined, or is about to, and is the plugin's.
    fn channel(&self, owner: &PluginName, channel: ChannelId) -> Result<Arc<Shared>, Error> {
        let shared = self.find(channel.socket).ok_or(Error::NotFound)?;
        let joined = shared.update(|state| {
            let record = state.record(channel.serial)?;
            record.hears().then(|| record.handler.clone())?
        });
        if joined.is_some_and(|handler| handler.owner() == owner) { Ok(shared) } else { Err(Error::NotFound) }
    }

    pub(crate) fn push_now(&self, shared: &Shared, serial: u32, event: &str, body: &Body) -> Result<(), Crash> {
        shared.update(|state| {
            let Some(record) = state.record(serial).filter(|record| record.lives()) else { return Ok(()) };
            let frame = shared.version().push(&record.join_ref, record.topic.as_str(), event, body);
            let frame = frame.map_err(|unfit| Crash::new(unfit.to_string()))?;
            if record.phase == Phase::Joining {
                return record.say_later(frame, shared.options.infos);
            }
            state.send(&shared.options, frame, false);
            Ok(())
        })
    }

    pub(crate) fn reply_now(
        &self,
        shared: &Shared,
        serial: u32,
        reference: &Ref,
        status: &str,
        body: &Body,
    ) -> Result<(), Crash> {
        shared.update(|state| {
            let Some(record) = state.record(serial).filter(|record| record.lives()) else { return Ok(()) };
            let frame = shared.version().reply(&record.join_ref, reference, record.topic.as_str(), status, body);
            let frame = frame.map_err(|unfit| Crash::new(unfit.to_string()))?;
            if record.phase == Phase::Joining {
                // The first one counts, as for every message.
                record.early.get_or_insert_with(|| Box::new(Early { frame, refuses: status != "ok" }));
                return Ok(());
            }
            state.send(&shared.options, frame, false);
            Ok(())
        })
    }

    /// What a client sees first of the presences of a topic: all, or how many where they are only counted.
    pub(crate) fn presence_state(&self, topic: &TopicId) -> (&'static str, String) {
        let presence = &self.options.presence;
        match presence.mode(topic) {
            Mode::Full => ("presence_state", presence.state_json(topic)),
            Mode::Count => ("presence_count", format!("{{\"count\":{}}}", presence.count(topic))),
        }
    }

    /// A socket is gone.
    pub(crate) fn forget(&self, shared: &Shared) {
        self.sockets.remove(&shared.id);
        let (received, sent, dropped, slow) = shared.update(|state| {
            let slow = state.closing == Some(Close::SLOW);
            (state.received, state.sent, state.dropped, slow)
        });
        self.counters.ended(received, sent, dropped, slow);
        self.leave();
    }

    fn leave(&self) {
        if self.places.fetch_sub(1, SeqCst) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("sockets", &self.0.count()).finish_non_exhaustive()
    }
}
