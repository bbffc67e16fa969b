//! One subscription of a plugin: what it listens to, and the loop that hands its messages to the handler.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::Counter;
use skep_manifest::SubscriberConfig;
use skep_pubsub::{Delivery, Message, Subscription};
use skep_runtime::{Incoming, as_written_by};
use skep_supervision::{ChildContext, EventKind, ExitReason};
use skep_types::{Call, Clock, Failure, FailureKind, HandlerName, PluginName, RequestId, TopicId, TopicSelector};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::dead::DeadLetters;
use super::lanes::{Bounds, Lanes};
use crate::guard::HandlerGuard;
use crate::plugin::Plugin;

/// The name of the counter of handled messages, by plugin, subscription and outcome: `ok`, `dead` (set aside) or `lost`
/// (found the queue full).
pub const MESSAGES: &str = "skep_subscriber_messages_total";
/// The pause before the second try of a call; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// How long a call waits that failed for a reason which is not the message's, such as an instance pool that is full.
const LATER: Duration = Duration::from_millis(200);
/// So many times a call waits for such a reason; then its messages are set aside like any other.
const LATER_MAX: u32 = 50;
/// Dead letters that may wait to be tried again.
const AGAIN_MAX: usize = 10_000;

/// A subscription. It outlives the loop that serves it, so that a loop which is started again goes on with the queue.
pub(crate) struct Listener {
    pub(crate) plugin: PluginName,
    pub(crate) name: HandlerName,
    pub(crate) topics: TopicSelector,
    pub(crate) config: SubscriberConfig,
    pub(crate) dead: DeadLetters,
    clock: Arc<dyn Clock>,
    guard: Arc<HandlerGuard>,
    // Held by the loop for as long as it runs.
    queues: Mutex<Queues>,
    again: mpsc::Sender<Arc<Message>>,
    handled: [Counter; 3],
}

struct Queues {
    subscription: Subscription,
    again: mpsc::Receiver<Arc<Message>>,
}

impl Listener {
    pub(crate) fn new(
        (plugin, declared): (&PluginName, &skep_runtime::Subscription),
        config: SubscriberConfig,
        subscription: Subscription,
        clock: Arc<dyn Clock>,
        guard: Arc<HandlerGuard>,
    ) -> Arc<Self> {
        let (again, to_come) = mpsc::channel(AGAIN_MAX);
        let counter = |outcome: &'static str| {
            metrics::counter!(
                MESSAGES,
                "plugin" => plugin.to_string(), "subscription" => declared.name.to_string(), "outcome" => outcome
            )
        };
        Arc::new(Self {
            plugin: plugin.clone(),
            name: declared.name.clone(),
            topics: declared.topics.clone(),
            config,
            dead: DeadLetters::default(),
            clock,
            guard,
            queues: Mutex::new(Queues { subscription, again: to_come }),
            again,
            handled: ["ok", "dead", "lost"].map(counter),
        })
    }

    /// Whether it is the same subscription under the same settings.
    pub(crate) fn fits(&self, declared: &skep_runtime::Subscription, config: &SubscriberConfig) -> bool {
        self.name == declared.name && self.topics == declared.topics && self.config == *config
    }

    /// Has the dead letters tried again, and tells how many. Those that find the queue full stay.
    pub(crate) fn retry(&self) -> usize {
        let mut count = 0;
        for letter in self.dead.take() {
            match self.again.try_send(letter.message) {
                Ok(()) => count += 1,
                Err(full) => {
                    let message = full.into_inner();
                    self.dead.add(letter.at, message, &letter.reason, letter.attempts, self.config.dead_letters);
                }
            }
        }
        count
    }

    /// Hands messages out until it is told to stop; what is at work then may end.
    pub(crate) async fn serve(self: Arc<Self>, plugin: Weak<Plugin>, context: ChildContext) -> Result<(), ExitReason> {
        let mut queues = self.queues.lock().await;
        let Queues { subscription, again } = &mut *queues;
        let SubscriberConfig { concurrency, batch, queue, .. } = self.config;
        let mut lanes = Lanes::new(Bounds { concurrency, batch, waiting: queue });
        let mut at_work: JoinSet<TopicId> = JoinSet::new();
        let from = subscription.id();
        loop {
            while let Some((topic, messages)) = lanes.next() {
                let batch = Batch { listener: Arc::clone(&self), plugin: Weak::clone(&plugin), messages, from };
                let context = context.clone();
                at_work.spawn(async move {
                    batch.settle(&context).await;
                    topic
                });
            }
            tokio::select! {
                () = context.stopping() => break,
                Some(ended) = at_work.join_next(), if !at_work.is_empty() => match ended {
                    Ok(topic) => lanes.done(&topic),
                    // Panics are caught where they belong to messages; this one is the loop's, and its supervisor's business.
                    Err(error) => return Err(ExitReason::failed(error.to_string())),
                },
                Some(message) = again.recv(), if lanes.has_room() => lanes.push(message),
                delivery = subscription.recv(), if lanes.has_room() => match delivery {
                    Some(Delivery::Message(message)) => lanes.push(message),
                    Some(Delivery::Missed(missed)) => self.lost(missed),
                    None => break,
                },
            }
        }
        while at_work.join_next().await.is_some() {}
        Ok(())
    }

    fn lost(&self, missed: u64) {
        let [_, _, lost] = &self.handled;
        lost.increment(missed);
        tracing::warn!(
            plugin = %self.plugin, subscription = %self.name, missed,
            "messages were lost: the handler is too slow for its queue of {}", self.config.queue
        );
    }

    fn set_aside(&self, context: &ChildContext, messages: Vec<Arc<Message>>, reason: &str, attempts: u32) {
        let [_, dead, _] = &self.handled;
        dead.increment(messages.len() as u64);
        for message in messages {
            tracing::warn!(
                plugin = %self.plugin, subscription = %self.name, topic = %message.topic, id = message.id, attempts,
                "a message was set aside: {reason}"
            );
            let what = format!("a message of {}: {reason}", message.topic);
            let now = self.clock.wall();
            // First, so that whoever hears of it finds it.
            self.dead.add(now, message, reason, attempts, self.config.dead_letters);
            context.environment().bus.publish(now, Arc::clone(context.path()), EventKind::DeadLetter { what });
        }
    }
}

/// Messages of one topic on their way through the handler.
struct Batch {
    listener: Arc<Listener>,
    plugin: Weak<Plugin>,
    messages: Vec<Arc<Message>>,
    from: skep_pubsub::SubscriptionId,
}

impl Batch {
    /// Has the messages handled, or sets them aside.
    async fn settle(self, context: &ChildContext) {
        let handled = AssertUnwindSafe(self.handle(context)).catch_unwind().await;
        let (reason, attempts) = match handled {
            Ok(Ok(())) => {
                let [ok, ..] = &self.listener.handled;
                ok.increment(self.messages.len() as u64);
                return;
            }
            Ok(Err(failed)) => failed,
            // The host's own code panicked: the end of this batch, and of nothing else.
            Err(_) => ("the host failed".to_owned(), 1),
        };
        self.listener.set_aside(context, self.messages, &reason, attempts);
    }

    /// Tries until the handler takes the messages; otherwise tells why not, and after how many tries.
    async fn handle(&self, context: &ChildContext) -> Result<(), (String, u32)> {
        let Self { listener, plugin, messages, from } = self;
        let incoming: Vec<_> = messages.iter().map(|message| incoming(&listener.plugin, message)).collect();
        let (mut attempts, mut later) = (0, 0);
        loop {
            let reason = match attempt(listener, plugin, *from, &incoming).await {
                Ok(()) => return Ok(()),
                Err(Failed::Message(reason)) => {
                    attempts += 1;
                    reason
                }
                Err(Failed::Moment(failure)) => {
                    later += 1;
                    if later <= LATER_MAX && !context.is_stopping() {
                        tokio::time::sleep(failure.retry_after.unwrap_or(LATER)).await;
                        continue;
                    }
                    attempts += 1;
                    failure.to_string()
                }
            };
            if attempts > listener.config.retries || context.is_stopping() {
                return Err((reason, attempts));
            }
            tokio::time::sleep(RETRY_FIRST * (1 << (attempts - 1).min(16))).await;
        }
    }
}

/// Why a try failed.
enum Failed {
    /// The handler failed at the messages.
    Message(String),
    /// It had no chance: it may have one later.
    Moment(Failure),
}

async fn attempt(
    listener: &Listener,
    plugin: &Weak<Plugin>,
    from: skep_pubsub::SubscriptionId,
    incoming: &[Incoming],
) -> Result<(), Failed> {
    let gone = || Failed::Message("the plugin is gone".to_owned());
    let revision = plugin.upgrade().ok_or_else(gone)?.serving().map_err(Failed::Moment)?;
    // While the breaker is open the topic waits, and the queue behind it.
    let permit = listener.guard.admit().map_err(Failed::Moment)?;
    let ended = revision.receive(background_call(), (listener.name.as_str(), from), incoming).await;
    permit.done(ended.as_ref().map(drop), None);
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Failed::Message(why)),
        Err(failure) if is_of_the_moment(failure.kind) => Err(Failed::Moment(failure)),
        Err(failure) => Err(Failed::Message(failure.to_string())),
    }
}

fn is_of_the_moment(kind: FailureKind) -> bool {
    use FailureKind::{BreakerOpen, NotRunning, Overloaded, Retired};
    matches!(kind, BreakerOpen | NotRunning | Overloaded | Retired)
}

/// A call that no client waits for.
pub(crate) fn background_call() -> Call {
    Call {
        id: RequestId::from_bits(fastrand::u64(..)),
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        secure: false,
        captures: Vec::new(),
        hops: 0,
    }
}

fn incoming(plugin: &PluginName, message: &Message) -> Incoming {
    Incoming {
        topic: as_written_by(plugin, &message.topic),
        event: message.event.as_deref().map(str::to_owned),
        id: message.id,
        data: message.data.clone(),
    }
}
