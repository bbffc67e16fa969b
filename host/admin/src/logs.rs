//! The log lines of guests and calls, handed to whoever follows them.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Lines that a slow follower may be behind. Overload policy: it then loses the oldest and is told how many.
const LINES_MAX: usize = 1024;
/// The targets whose events are lines here.
const TARGETS: [&str; 3] = ["guest", "call", "access"];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Whose line it is.
    pub plugin: String,
    /// The request that caused it.
    pub request_id: String,
    /// `stdout`, `stderr` or `log` for what a guest printed; `host` for what the host says of a call.
    pub stream: String,
    /// The text; in a line of the host with all that it says of the call, as ` name=value`.
    pub message: String,
}

/// Where lines come by.
#[derive(Clone)]
pub struct LogHub(Arc<broadcast::Sender<LogLine>>);

impl Default for LogHub {
    fn default() -> Self {
        Self(Arc::new(broadcast::Sender::new(LINES_MAX)))
    }
}

impl LogHub {
    /// Follows the lines from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<LogLine> {
        self.0.subscribe()
    }

    /// The layer that feeds the hub.
    ///
    /// Its filter matters: a layer without one asks for every event of every library, and each request would then pay
    /// for some hundred trace events that nobody reads.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let targets = TARGETS.map(|target| (target, Level::DEBUG));
        HubLayer(self.clone()).with_filter(Targets::new().with_targets(targets))
    }
}

struct HubLayer(LogHub);

impl<S: Subscriber> Layer<S> for HubLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if self.0.0.receiver_count() == 0 {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        #[expect(clippy::disallowed_methods, reason = "a log layer is told no time; nothing is decided by this one")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        // Nobody may be left to follow; that is no error.
        let _ = self.0.0.send(LogLine {
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            level: level.to_owned(),
            plugin: fields.plugin,
            request_id: fields.request_id,
            stream: if fields.stream.is_empty() { "host".to_owned() } else { fields.stream },
            message: fields.message + &fields.others,
        });
    }
}

#[derive(Default)]
struct Fields {
    plugin: String,
    request_id: String,
    stream: String,
    message: String,
    /// What else the event says, ` name=value` each: of a call its status and its time.
    others: String,
}

impl Fields {
    fn slot(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "plugin" => Some(&mut self.plugin),
            "request_id" => Some(&mut self.request_id),
            "stream" => Some(&mut self.stream),
            "message" => Some(&mut self.message),
            _ => None,
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match self.slot(field.name()) {
            Some(slot) => value.clone_into(slot),
            None => self.others.push_str(&format!(" {}={value:?}", field.name())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match self.slot(field.name()) {
            Some(slot) => *slot = format!("{value:?}"),
            None => self.others.push_str(&format!(" {}={value:?}", field.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_the_host_says_of_a_call_comes_with_its_figures() {
        let hub = LogHub::default();
        let mut lines = hub.follow();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(hub.layer()), || {
            tracing::info!(target: "access", method = %"GET", path = "/a\n", status = 404_u16, plugin = "shop", "request");
            tracing::info!(target: "guest", plugin = "shop", request_id = %"07", stream = "stderr", "{}", "out of honey");
        });
        let line = lines.try_recv().unwrap();
        assert_eq!((line.plugin.as_str(), line.stream.as_str()), ("shop", "host"));
        assert_eq!(line.message, r#"request method=GET path="/a\n" status=404"#);
        let line = lines.try_recv().unwrap();
        assert_eq!((line.request_id.as_str(), line.stream.as_str()), ("07", "stderr"));
        assert_eq!(line.message, "out of honey");
    }
}
