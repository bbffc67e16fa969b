//! What a transport holds: the socket itself.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream as _};
use skep_pubsub::SinkSubscription;
use skep_types::TopicId;
use tokio::time::{Instant, Sleep};

use super::next::{Call, Next};
use super::rate::Bucket;
use super::receive::Received;
use super::ties::Tie;
use super::{Close, Line, Shared, SocketRef};
use crate::address::{ChannelId, ReplyRef};
use crate::call::{Running, Work, begin, terminate};
use crate::hub::Hub;
use crate::options::SocketOptions;
use crate::port::{Channel, Info, Joining, Message};
use crate::wire::{Body, Frame};

/// Rounds of starting and ending calls before other tasks get their turn.
const ROUNDS: usize = 32;

/// A socket. Its transport hands in frames, polls it, and takes frames out; all calls of guests run in these polls, so
/// dropping it cancels them. Its channels are told of their end then.
pub struct Socket {
    pub(super) hub: Arc<Hub>,
    pub(super) shared: Arc<Shared>,
    /// Most sockets are idle: it is there while a guest is called.
    pub(super) calls: Option<FuturesUnordered<Running>>,
    pub(super) ties: Vec<Tie>,
    pub(super) named: Option<SinkSubscription>,
    messages: Bucket,
    joins: Bucket,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
    /// When the timer is over, and whom it wakes: so that a poll in between need not look at it.
    due: Instant,
    timed: Option<Waker>,
}

impl Socket {
    pub(crate) fn new(hub: Arc<Hub>, shared: Arc<Shared>, named: Option<SinkSubscription>) -> Self {
        let now = Instant::now();
        Self {
            calls: None,
            ties: Vec::new(),
            named,
            messages: Bucket::full(now),
            joins: Bucket::full(now),
            heard: now,
            timer: Box::pin(tokio::time::sleep_until(now + shared.options.idle_timeout)),
            due: now + shared.options.idle_timeout,
            timed: None,
            hub,
            shared,
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn info(&self) -> SocketRef {
        SocketRef(Arc::clone(&self.shared))
    }

    /// How it is bounded.
    #[must_use]
    pub fn options(&self) -> &Arc<SocketOptions> {
        &self.shared.options
    }

    /// Whether the transport may read another frame of the client. It may not while too much waits for the guests or for the
    /// client, and while the client is over its rates; the socket is polled anew when that changes.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.throttled(Instant::now()).is_none()
            && self.shared.update(|state| state.closing.is_none() && state.has_room(&self.shared.options))
    }

    /// A frame of the client; ignored while the socket is closing. Over the largest size it closes the socket. The socket
    /// must be polled then: it wakes nobody for what the frame brings.
    pub fn receive(&mut self, frame: Frame) {
        let (now, options) = (Instant::now(), &self.shared.options);
        self.heard = now;
        if frame.bytes().len() as u64 > options.frame_bytes_max.0 {
            return self.close(1009, "the frame is too large");
        }
        if self.shared.update(|state| state.closing.is_some()) {
            return;
        }
        self.messages.take(options.messages, now);
        if self.shared.receive(frame) == Received::Join {
            self.joins.take(options.joins, now);
        }
    }

    /// The client has given a sign of life that is no frame of the protocol.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Closes it, for a reason that the transport found.
    pub fn close(&mut self, code: u16, reason: &'static str) {
        self.shared.close(Close::new(code, reason));
    }

    /// Why it is to be closed, if it is: what [`Self::take`] still has goes out first.
    #[must_use]
    pub fn closing(&self) -> Option<Close> {
        self.shared.update(|state| state.closing.clone())
    }

    /// Takes frames for the client: at least one if there is one, and then up to so many bytes.
    pub fn take(&mut self, bytes_max: usize, into: impl FnMut(Frame)) {
        self.shared.update(|state| state.take(bytes_max, into));
    }

    /// Lets others write to the connection while this socket's task has nothing to do; only the first line counts. Without
    /// one, the task is woken for each frame.
    pub fn write_by(&self, line: Arc<dyn Line>) {
        _ = self.shared.line.set(line);
    }

    /// Calls guests and looks at the clock. It is ready when there is something to [take](Self::take) or the socket is
    /// closing.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What this task does itself need not wake it.
        self.shared.update(|state| state.waker = None);
        self.poll_time(cx);
        let mut rounds = 0;
        while self.poll_calls(cx) || !self.shared.update(|state| state.settle(cx.waker())) {
            rounds += 1;
            if rounds == ROUNDS {
                // Other tasks get their turn.
                self.shared.update(|state| state.waker = Some(cx.waker().clone()));
                cx.waker().wake_by_ref();
                break;
            }
        }
        let (closing, queued) = self.shared.update(|state| (state.closing.is_some(), state.queued()));
        if closing {
            self.finish();
        }
        if closing || queued > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Begins calls and takes the answers of others; whether there was anything.
    fn poll_calls(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            let next = self.shared.update(|state| {
                if state.recheck {
                    self.shared.recheck(state);
                }
                self.shared.next(state)
            });
            let Some(next) = next else { break };
            any = true;
            self.start(next);
        }
        if let Some(calls) = &mut self.calls {
            match Pin::new(calls).poll_next(cx) {
                Poll::Ready(Some(done)) => {
                    any = true;
                    self.done(done);
                }
                // An empty one keeps a kilobyte of what it was.
                Poll::Ready(None) => self.calls = None,
                Poll::Pending => {}
            }
        }
        any
    }

    /// Closes a client that is silent, and wakes the task when a rate allows more.
    fn poll_time(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        let throttled = self.throttled(now);
        if throttled.is_some() || self.shared.update(|state| !state.has_room(&self.shared.options)) {
            // Nobody listens to it now, so its silence means nothing.
            self.heard = now;
        }
        let silent_at = self.heard + self.shared.options.idle_timeout;
        if silent_at <= now {
            return self.shared.close(Close::IDLE);
        }
        let next = throttled.map_or(silent_at, |until| until.min(silent_at));
        // Earlier is fine: it is looked at again then.
        if self.due > next || self.due <= now {
            self.timer.as_mut().reset(next);
            (self.due, self.timed) = (next, None);
        }
        if self.timed.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return;
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        } else {
            self.timed = Some(cx.waker().clone());
        }
    }

    fn throttled(&self, now: Instant) -> Option<Instant> {
        let options = &self.shared.options;
        let joins = self.joins.empty_until(options.joins, now);
        joins.max(self.messages.empty_until(options.messages, now))
    }

    pub(super) fn channel_id(&self, serial: u32) -> ChannelId {
        ChannelId { socket: self.shared.id, serial }
    }

    fn start(&mut self, next: Next) {
        let serial = next.serial;
        let Some(handler) = next.handler else { return self.start_raw(serial, next.assigns, next.call) };
        let (id, socket) = (self.channel_id(serial), self.info());
        let channel = Channel { id, topic: next.topic, assigns: next.assigns, socket };
        let work = match next.call {
            Call::Join { reference, params } => match self.tie(serial, Some(&channel), handler.owner()) {
                Ok(()) => {
                    let joining = Joining { params, reply_ref: ReplyRef { channel: id, reference: reference.clone() } };
                    Work::Join { reference, work: begin(|| handler.join(channel, joining)) }
                }
                Err(crash) => return self.join_crashed(serial, &reference, &crash),
            },
            Call::Push { reference, event, body } => {
                let reply_ref = ReplyRef { channel: id, reference: reference.clone() };
                let message = Message { event, body, reply_ref };
                Work::Act { reference: Some(reference), work: begin(|| handler.handle_in(channel, message)) }
            }
            Call::Out(message) => {
                let event = message.event.clone().unwrap_or_default();
                let Some(body) = body(&message) else { return self.idle(serial) };
                Work::Act { reference: None, work: begin(|| handler.handle_out(channel, event, body)) }
            }
            Call::Info(message) => {
                let info = info(&message);
                Work::Act { reference: None, work: begin(|| handler.handle_info(channel, info)) }
            }
            Call::End(reason) => {
                self.untie(serial);
                if !handler.terminates() {
                    return self.shared.update(|state| self.shared.ended(state, serial));
                }
                Work::End(tokio::spawn(terminate(handler, channel, reason)))
            }
            Call::Raw(_) => return self.idle(serial),
        };
        self.run(serial, work);
    }

    pub(super) fn run(&mut self, serial: u32, work: Work) {
        self.calls.get_or_insert_default().push(Running { serial, work });
    }

    /// The channel may be called again.
    pub(super) fn idle(&self, serial: u32) {
        self.shared.update(|state| {
            state.runnable = true;
            if let Some(record) = state.record(serial).filter(|record| record.lives()) {
                record.busy = false;
            }
        });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.finish();
        self.hub.forget(&self.shared);
    }
}

fn body(message: &skep_pubsub::Message) -> Option<Body> {
    Some(match message.broadcast? {
        skep_pubsub::Broadcast::Json => Body::Json(std::str::from_utf8(&message.data).ok()?.to_owned()),
        skep_pubsub::Broadcast::Binary => Body::Binary(message.data.clone()),
    })
}

pub(super) fn info(message: &skep_pubsub::Message) -> Info {
    let topic = TopicId { owner: message.topic.owner.clone(), name: message.topic.name.clone() };
    Info { topic, id: message.id, event: message.event.clone(), data: message.data.clone() }
}
