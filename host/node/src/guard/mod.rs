//! What guards clients from handlers that fail: a breaker for each handler, and probation for each new revision.
//!
//! | module | holds |
//! |---|---|
//! | [`handlers`] | the guards of one plugin, by handler; their settings |
//! | [`handler`] | the guard of one handler: its breaker, what it tells operators |
//! | [`judge`] | which ends of calls are failures, and whose |
//! | [`route`] | a route that is guarded |
//! | [`calls`] | how the calls of one revision went |
//! | [`probation`] | who watches a new revision, and what is kept to go back to |
//! | [`follow`] | the log lines of what happened |
//!
//! A breaker judges one handler by its answers' heads and is about now; probation judges a revision by all its calls,
//! to the end of their streams, and is about a deploy. Both engines are those of `skep-supervision`.

pub(crate) mod calls;
pub(crate) mod follow;
pub(crate) mod handler;
pub(crate) mod handlers;
pub(crate) mod judge;
pub(crate) mod probation;
pub(crate) mod route;

use std::sync::Arc;

use skep_types::PluginName;

pub(crate) use handler::HandlerGuard;
pub(crate) use handlers::{Branch, Guards};

/// The name of the counter of breakers that changed, by plugin, handler and `to`: `open`, `half-open` or `closed`.
pub(crate) const BREAKER_CHANGES: &str = "skep_breaker_changes_total";
/// The name of the gauge of breakers that are not closed, by plugin and handler.
pub(crate) const BREAKER_OPEN: &str = "skep_breaker_open";
/// The name of the counter of calls that a breaker rejected, by plugin and handler.
pub(crate) const BREAKER_REJECTED: &str = "skep_breaker_rejected_total";
/// The name of the counter of revisions that the host rolled back by itself, by plugin.
pub(crate) const ROLLBACKS: &str = "skep_rollbacks_total";

/// The root of the paths on the node's bus of events.
pub(crate) const ROOT: &str = "host";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(BREAKER_CHANGES, "Changes of handlers' breakers, by the state they came to");
    metrics::describe_gauge!(BREAKER_OPEN, "1 while a handler's breaker is open or lets probes through, else 0");
    metrics::describe_counter!(BREAKER_REJECTED, "Calls that a handler's open breaker rejected");
    metrics::describe_counter!(ROLLBACKS, "Revisions that were rolled back because their calls failed");
}

/// Where events of a plugin happen on the bus: `host/shop`.
pub(crate) fn plugin_path(plugin: &PluginName) -> Arc<str> {
    format!("{ROOT}/{plugin}").into()
}
