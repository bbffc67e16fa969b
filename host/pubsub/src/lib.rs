//! The pubsub engine: messages to whoever listens, at most once, through bounded queues, with a short log where one is asked for.
//!
//! | module | holds |
//! |---|---|
//! | [`hub`] | the handle: publishing, and what the host calls now and then |
//! | `subscribe` | how a subscription begins and ends, and how it resumes |
//! | [`sink`] | listeners that take messages at once |
//! | [`subscription`] | what a listener holds and reads from |
//! | [`message`], `sse` | what is delivered, and its encodings, made once for all |
//! | [`options`] | limits and policies |
//! | `topic`, `members` | one live topic: who listens, in which order messages go out |
//! | `prefixes` | subscriptions that end in `*`, found by the lengths in use |
//! | `queue` | what waits for one listener, and the wake-up |
//! | `log`, `logs`, `retention` | messages that stay; all of them under one budget; which topics have them |
//! | [`inspect`], `counters` | what an operator sees |
//! | [`fabric`] | the port to other nodes |
//!
//! Nothing here knows wasm, HTTP or a manifest, and nothing here runs by itself: time comes from the injected
//! [`Clock`](skep_types::Clock), and the host calls [`PubSub::sweep`].
//!
//! Locks are taken in this order, and none is held while a receiver runs: the map of topics, a topic's order, a topic's
//! state, then one of the leaves (a queue, a prefix's members, the list of logs).

mod counters;
pub mod error;
pub mod fabric;
pub mod hub;
pub mod inspect;
mod log;
mod logs;
mod members;
pub mod message;
pub mod options;
mod prefixes;
mod queue;
mod retention;
pub mod sink;
mod sse;
mod subscribe;
pub mod subscription;
mod topic;

pub use error::Error;
pub use fabric::Fabric;
pub use hub::{History, PubSub, Publish, Published, Swept};
pub use inspect::{Stats, TopicInfo};
pub use message::{Broadcast, MESSAGE_OVERHEAD, Message, Slot};
pub use options::{EVENT_BYTES_MAX, Limits, Options, Overflow, Retain, SubscribeOptions};
pub use sink::{Sink, SinkSubscription};
pub use skep_types::{TopicId, TopicName, TopicPattern, TopicSelector};
pub use sse::frame as sse_frame;
pub use subscription::{CloseReason, Counts, Delivery, Resumed, Subscription, SubscriptionId};
