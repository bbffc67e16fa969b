//! Event streams of routes: the plugin is asked once whether a client may listen, and from then on the client is the
//! host's. A crash or a reload of the plugin breaks no stream.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use metrics::{Counter, Gauge};
use skep_manifest::{SseConfig, SseOpen, StreamOverflow};
use skep_pubsub::{EVENT_BYTES_MAX, Overflow, SubscribeOptions, Subscription, sse_frame};
use skep_runtime::{FirstEvent, Opened, Opening, as_written_by};
use skep_types::{Call, Failure, FailureKind, Phase, PluginName, TopicId, TopicPattern, TopicSelector};
use skep_web::{EventStream, Handler, HandlerFuture, RequestBody, sse};
use tokio_util::sync::CancellationToken;

use crate::guard::HandlerGuard;
use crate::plugin::Plugin;
use crate::topics::Topics;

/// The names of the gauge of open event streams and of the counter of those that were ever opened, by plugin.
pub const OPEN: &str = "skep_event_streams";
/// See [`OPEN`].
pub const OPENED: &str = "skep_event_streams_total";
/// How long a client is told to wait that finds all places taken.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_gauge!(OPEN, "Event streams that are open");
    metrics::describe_counter!(OPENED, "Event streams that were opened");
}

/// The event streams of one plugin.
pub(crate) struct Streams {
    open: AtomicUsize,
    closing: CancellationToken,
    gauge: Gauge,
    opened: Counter,
}

impl Streams {
    pub(crate) fn new(plugin: &PluginName) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            closing: CancellationToken::new(),
            gauge: metrics::gauge!(OPEN, "plugin" => plugin.to_string()),
            opened: metrics::counter!(OPENED, "plugin" => plugin.to_string()),
        })
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends all of them: their clients come back, to whoever serves then.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    fn place(self: &Arc<Self>, max: usize) -> Result<Place, Failure> {
        let place = Place(Arc::clone(self));
        self.gauge.increment(1.0);
        if self.open.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(place);
        }
        let detail = format!("{max} event streams are open");
        Err(Failure::new(FailureKind::Overloaded, Phase::Queue, detail).retry_after(RETRY_AFTER))
    }
}

/// One open stream.
struct Place(Arc<Streams>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.decrement(1.0);
    }
}

/// A route that is a stream of events.
pub(crate) struct StreamRoute {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) config: SseConfig,
    /// Guards the question to the plugin; the stream itself is the host's.
    pub(crate) guard: Arc<HandlerGuard>,
}

impl Handler for StreamRoute {
    fn plugin(&self) -> &PluginName {
        self.plugin.name()
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let route = Self {
            plugin: Arc::clone(&self.plugin),
            topics: Arc::clone(&self.topics),
            config: self.config.clone(),
            guard: Arc::clone(&self.guard),
        };
        Box::pin(async move { route.open(call, request.into_parts().0).await })
    }
}

impl StreamRoute {
    async fn open(&self, call: Call, parts: Parts) -> Result<Response<Body>, Failure> {
        let name = self.plugin.name();
        let topic = self.config.topic.fill(&call.captures);
        let topic = topic.map_err(|error| Failure::new(FailureKind::BadRequest, Phase::Receive, error.to_string()))?;
        let topic = TopicId { owner: name.clone(), name: topic };
        let streams = self.plugin.streams();
        let place = streams.place(self.plugin.settings().config.limits.streams)?;
        let stream = format!("{name}/stream-{:032x}", fastrand::u128(..));
        let owner = self.topics.presence.owner(&stream).map_err(|error| busy(&error))?;
        let last_event_id = parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
        // It listens before the plugin is asked, so that nothing is lost that is published meanwhile.
        let subscription = self.subscribe(&topic, None)?;
        let opening =
            Opening { stream, topic: as_written_by(name, &topic), last_event_id: last_event_id.map(str::to_owned) };
        let seen = last_event_id.and_then(|id| id.trim().parse::<u64>().ok());
        let (headers, first, after) = match self.config.open {
            SseOpen::Anyone => (HeaderMap::new(), Vec::new(), None),
            SseOpen::Handler => match self.ask(call, &parts, &opening).await? {
                Opened::Refused(response) => return Ok(response.map(Body::new)),
                Opened::Accepted { headers, first, after } => (headers, first, after),
            },
        };
        let after = after.or(seen);
        // The log has what was published meanwhile; without one there is nothing to go back to.
        let resumed = match after {
            Some(_) if self.is_retained(&topic) => self.subscribe(&topic, after)?,
            _ => subscription,
        };
        streams.opened.increment(1);
        let stream = EventStream {
            first: self.head(&first, &resumed, after)?.into(),
            subscription: resumed,
            keep_alive: self.config.keep_alive,
            closing: streams.closing.clone().cancelled_owned(),
            held: Box::new((owner, place)),
        };
        Ok(stream.into_response(headers))
    }

    /// Asks the plugin whether the client may listen.
    async fn ask(&self, call: Call, parts: &Parts, opening: &Opening) -> Result<Opened, Failure> {
        let (permit, client) = (self.guard.admit()?, call.client);
        let opened = self.plugin.open_stream(call, parts, opening).await;
        permit.done(opened.as_ref().map(|_| ()), Some(client));
        opened
    }

    fn is_retained(&self, topic: &TopicId) -> bool {
        self.topics.pubsub.since(topic, None, 0).is_ok()
    }

    fn subscribe(&self, topic: &TopicId, after: Option<u64>) -> Result<Subscription, Failure> {
        let selector = TopicSelector { owner: topic.owner.clone(), pattern: TopicPattern::Exact(topic.name.clone()) };
        let options = SubscribeOptions {
            queue: NonZeroUsize::new(self.config.queue).unwrap_or(NonZeroUsize::MIN),
            queue_bytes: self.config.queue_bytes,
            overflow: match self.config.overflow {
                StreamOverflow::Close => Overflow::Close,
                StreamOverflow::DropOldest => Overflow::DropOldest,
                StreamOverflow::DropNewest => Overflow::DropNewest,
            },
            after,
        };
        self.topics.pubsub.subscribe(selector, &options).map_err(|error| busy(&error))
    }

    /// What comes before the first message: when to come back, whether something is missing, what the plugin says.
    fn head(&self, first: &[FirstEvent], from: &Subscription, after: Option<u64>) -> Result<Vec<u8>, Failure> {
        let mut text = String::new();
        if let Some(retry) = self.config.retry {
            // Writing to a String cannot fail.
            let _ = write!(text, "retry: {}\n\n", retry.as_millis());
        }
        // The client was here before, and what it missed is gone: it may want to load the whole again.
        if after.is_some() && from.resumed().is_none_or(|resumed| !resumed.complete) {
            text.push_str(&sse::gap(None));
        }
        let mut head = text.into_bytes();
        for event in first {
            let name = event.event.as_deref();
            if name.is_some_and(|name| name.len() > EVENT_BYTES_MAX || name.contains(['\n', '\r', '\0'])) {
                let detail = "the name of an event has line breaks or more than 255 bytes";
                return Err(Failure::new(FailureKind::BadAnswer, Phase::Handle, detail));
            }
            head.extend_from_slice(&sse_frame(event.id, name, &event.data));
        }
        Ok(head)
    }
}

fn busy(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Overloaded, Phase::Queue, error.to_string()).retry_after(RETRY_AFTER)
}
