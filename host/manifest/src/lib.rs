//! `skep.toml`, read into a typed and validated [`Manifest`] before a port is bound.
//!
//! | module | holds |
//! |---|---|
//! | [`manifest`] | the whole file: load, parse, and the manifest of a single component |
//! | [`host`] | `[host]`: listeners, TLS, connection limits |
//! | [`plugin`] | `[plugins.NAME]`: source, routes, environment |
//! | [`route`], [`cors`], [`watch`] | parts of a plugin's entry that have rules of their own |
//! | [`caches`], [`warmers`], [`rate_limit`] | a plugin's buckets; what fills them ahead; how often a client may ask |
//! | [`second_tier`] | the Redis behind a bucket |
//! | [`store`], [`keys`] | what is kept durably; which keys of others a plugin may use |
//! | [`sql`] | databases that a plugin asks in SQL: files of its own, or a PostgreSQL |
//! | [`jobs`], [`cron`] | durable work: queues, times, and what the calendar begins |
//! | [`processes`] | kinds of stateful processes: what survives what, and how many there may be |
//! | [`channels`] | where Phoenix clients open sockets, what they may join there, and raw WebSockets |
//! | [`topics`], [`subscribers`], [`tasks`] | what is kept of a plugin's messages, how they wait; work beside its calls |
//! | [`supervision`] | when a plugin's failures have consequences |
//! | [`grants`], [`origin`], [`pattern`] | what a plugin may reach |
//! | [`secret`] | references to secrets, and their values, which are never printed |
//! | [`error`] | what is wrong with a file: every problem, each with its key's path and line |
//!
//! Private modules do the reading: `read` walks tables and knows which keys were asked for, so that the rest are
//! reported as unknown with a suggestion; `scalar` and `duration` read single values; `limits` reads the limits of
//! `skep-types`; `json` reads values that a guest gets as JSON; `check` holds what no single key can know; `secrets` lists
//! those that a manifest names; `fingerprint` writes a plugin's settings for its revision.
//!
//! Every path in a manifest is relative to the manifest's folder and absolute in the types of this crate.

pub mod caches;
pub mod channels;
mod check;
pub mod cors;
pub mod cron;
mod duration;
pub mod error;
mod fingerprint;
pub mod grants;
pub mod host;
pub mod jobs;
mod json;
pub mod keys;
mod limits;
pub mod manifest;
pub mod origin;
pub mod pattern;
pub mod plugin;
pub mod processes;
pub mod rate_limit;
mod read;
pub mod route;
mod scalar;
pub mod second_tier;
pub mod secret;
mod secrets;
pub mod sql;
pub mod store;
pub mod subscribers;
pub mod supervision;
pub mod tasks;
pub mod topics;
pub mod warmers;
pub mod watch;

pub use caches::{CacheAccess, CacheConfig, CacheKind, WriteBehind};
pub use channels::{
    Brings, ChannelConfig, Clash, InvalidMount, Longpoll, Mount, MountSelector, SocketConfig, SocketConnect,
    SocketLimits, SocketOrigins, SocketOverflow, WebSocketConfig, clashes,
};
pub use cors::{Allowed, Cors};
pub use cron::{CronConfig, Missed};
pub use error::{Error, Problem};
pub use grants::{FileGrant, Grants};
pub use host::{HostConfig, HttpConfig, Tls};
pub use jobs::{HostJobsConfig, JobsConfig, QueueConfig, QueueRate};
pub use keys::{KeyPattern, KeySelector};
pub use manifest::Manifest;
pub use origin::{Origin, Scheme};
pub use pattern::HostPattern;
pub use plugin::PluginConfig;
pub use processes::{
    HostProcessesConfig, Machine, Persistence, ProcessAccess, ProcessConfig, ProcessRestart, ProcessSelector,
    StaticProcess, Strategy,
};
pub use rate_limit::{RateKey, RateLimit};
pub use route::{Route, SseConfig, SseOpen, StreamOverflow, TopicTemplate};
pub use second_tier::{SecondTier, SecondTierUrl};
pub use secret::{Secret, SecretError, SecretRef};
pub use sql::{PostgresConfig, PostgresUrl, SqlAccess, SqlConfig, SqlPlace, SqliteConfig};
pub use store::{Durability, HostStoreConfig, StoreAccess, StoreConfig, StorePostgres};
pub use subscribers::{Overflow, SubscriberConfig};
pub use supervision::{BreakerConfig, ProbationConfig, Ratio, SupervisionConfig};
pub use tasks::{TaskRestart, TasksConfig};
pub use topics::{PresenceDetail, Retain, TopicAccess, TopicConfig};
pub use warmers::{WarmerConfig, WarmerName};
pub use watch::Watch;
