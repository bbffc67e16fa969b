//! The log events of this process, for tests that promise a line.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use skep_admin::LogHub;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// One event's fields, its message and target among them.
pub type Fields = BTreeMap<String, String>;

/// Events that are kept; the oldest go first. Hostile tests make many thousands.
const KEPT: usize = 20_000;

/// A guest that prints this has the host panic. So does a subscriber that fails with it: there it is the loop that hands
/// messages out which dies.
pub const PANIC: &str = "panic in the host";

static EVENTS: Mutex<Vec<Fields>> = Mutex::new(Vec::new());
static HUB: OnceLock<LogHub> = OnceLock::new();

struct Catch;

impl<S: Subscriber> Layer<S> for Catch {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if !event.metadata().target().starts_with("skep")
            && !["guest", "call", "access"].contains(&event.metadata().target())
        {
            return;
        }
        let mut fields = Fields::from([
            ("target".to_owned(), event.metadata().target().to_owned()),
            ("level".to_owned(), event.metadata().level().to_string()),
        ]);
        event.record(&mut Collect(&mut fields));
        // Whoever writes a log line runs in the middle of the host's own code, so this is a panic of that.
        let panics = |message: &String| message.strip_prefix("a message was set aside: ").unwrap_or(message) == PANIC;
        assert!(!fields.get("message").is_some_and(panics), "{PANIC}");
        let mut events = EVENTS.lock();
        if events.len() == KEPT {
            events.drain(..KEPT / 2);
        }
        events.push(fields);
    }
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Starts catching events, once for the process, and returns the hub that guests' lines come by.
pub fn catch() -> LogHub {
    let hub = HUB.get_or_init(|| {
        // Tests make thousands of these panics; none of them is worth a backtrace.
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(PANIC) {
                show(panic);
            }
        }));
        let hub = LogHub::default();
        let filter = tracing_subscriber::filter::LevelFilter::DEBUG;
        tracing_subscriber::registry().with(Catch.with_filter(filter)).with(hub.layer()).try_init().unwrap();
        hub
    });
    hub.clone()
}

/// The events of a target that name this request and are written already.
pub fn so_far(target: &str, id: &str) -> Vec<Fields> {
    with(&[("target", target), ("request_id", id)])
}

/// The events so far that have these fields.
pub fn with(fields: &[(&str, &str)]) -> Vec<Fields> {
    let is_wanted =
        |event: &&Fields| fields.iter().all(|(field, wanted)| event.get(*field).is_some_and(|known| known == wanted));
    EVENTS.lock().iter().filter(is_wanted).cloned().collect()
}

/// The same; waits a little for the first, which another task may still write.
pub async fn of_request(target: &str, id: &str) -> Vec<Fields> {
    for _ in 0..100 {
        let found = so_far(target, id);
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Vec::new()
}

/// Whether an event since the start has this text in its message.
pub fn any_says(text: &str) -> bool {
    EVENTS.lock().iter().any(|event| event.get("message").is_some_and(|message| message.contains(text)))
}

/// The same; waits a little for it.
pub async fn says_soon(text: &str) -> bool {
    for _ in 0..200 {
        if any_says(text) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// The levels of the events since the start that have this text in their message.
pub fn levels_of(text: &str) -> Vec<String> {
    let says = |event: &&Fields| event.get("message").is_some_and(|message| message.contains(text));
    EVENTS.lock().iter().filter(says).map(|event| event["level"].clone()).collect()
}
