//! Event streams (server-sent events): the messages of a subscription, written for as long as the client stays.
//!
//! The frame of a message is made once and shared by all its clients. A slow client fills its subscription's queue, and
//! no more than that: what happens then is the queue's policy.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Frame;
use skep_pubsub::{Delivery, Subscription};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Frames of this size are full: what is ready beyond goes into the next one.
const FRAME_BYTES: usize = 16 << 10;
/// A comment, which clients ignore. It keeps proxies from closing the connection, and finds out whether the client is
/// still there.
const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// An answer that is a stream of events.
pub struct EventStream {
    /// What the client sees before the first message; empty for nothing.
    pub first: Bytes,
    /// Where the messages come from.
    pub subscription: Subscription,
    /// The longest silence.
    pub keep_alive: Duration,
    /// Ends the stream when it resolves, behind what was published by then: the client comes back, to whoever serves
    /// then.
    pub closing: WaitForCancellationFutureOwned,
    /// What lives as long as the stream.
    pub held: Box<dyn Send>,
}

impl EventStream {
    /// The answer, with these fields beside the stream's own.
    #[must_use]
    pub fn into_response(self, headers: HeaderMap) -> Response<Body> {
        let Self { first, subscription, keep_alive, closing, held } = self;
        let body = Events {
            first,
            subscription,
            keep_alive,
            silence: Box::pin(tokio::time::sleep(keep_alive)),
            closing: Box::pin(closing),
            left: None,
            _held: held,
        };
        let mut response = Response::new(Body::new(body));
        *response.headers_mut() = headers;
        let fields = [
            (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            // nginx would gather the events otherwise.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        for (name, value) in fields {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The event that tells a client that messages are missing here: how many, if that is known.
pub fn gap(missed: Option<u64>) -> String {
    match missed {
        Some(missed) => format!("event: gap\ndata: {{\"missed\":{missed}}}\n\n"),
        None => "event: gap\ndata: {}\n\n".to_owned(),
    }
}

struct Events {
    first: Bytes,
    subscription: Subscription,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Once it closes, how many messages still go out: those that were there then.
    left: Option<usize>,
    _held: Box<dyn Send>,
}

impl Events {
    /// What is ready, as one frame; `None` at the end.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.first)));
        }
        let first = match self.subscription.poll_recv(cx) {
            Poll::Ready(Some(delivery)) => frame(&delivery),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        // One message goes out as it is, shared with all others who get it. A client that is behind gets several at once.
        let Some(next) = self.next_ready() else { return Poll::Ready(Some(first)) };
        let mut frames = BytesMut::with_capacity(first.len() * 2);
        frames.put(first);
        frames.put(next);
        while frames.len() < FRAME_BYTES
            && let Some(next) = self.next_ready()
        {
            frames.put(next);
        }
        Poll::Ready(Some(frames.freeze()))
    }

    fn next_ready(&mut self) -> Option<Bytes> {
        self.subscription.try_recv().as_ref().map(frame)
    }

    /// What still goes out of a stream that closes: what waited when it began to, however much is published meanwhile.
    fn last_events(&mut self, left: usize) -> Option<Bytes> {
        let mut frames = BytesMut::from(std::mem::take(&mut self.first).as_ref());
        let mut left = left;
        while left > 0
            && frames.len() < FRAME_BYTES
            && let Some(next) = self.next_ready()
        {
            frames.put(next);
            left -= 1;
        }
        self.left = Some(left);
        (!frames.is_empty()).then(|| frames.freeze())
    }
}

fn frame(delivery: &Delivery) -> Bytes {
    match delivery {
        Delivery::Message(message) => message.sse().clone(),
        Delivery::Missed(missed) => gap(Some(*missed)).into(),
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_none() && self.closing.as_mut().poll(cx).is_ready() {
            let counts = self.subscription.counts();
            self.left = Some(counts.queued + counts.backlog);
        }
        if let Some(left) = self.left {
            return Poll::Ready(self.last_events(left).map(|events| Ok(Frame::data(events))));
        }
        let events = match self.poll_events(cx) {
            Poll::Ready(events) => events,
            Poll::Pending => {
                std::task::ready!(self.silence.as_mut().poll(cx));
                Some(KEEP_ALIVE)
            }
        };
        let next = Instant::now() + self.keep_alive;
        self.silence.as_mut().reset(next);
        Poll::Ready(events.map(|events| Ok(Frame::data(events))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use http_body_util::BodyExt as _;
    use skep_pubsub::{Options, PubSub, Publish, SubscribeOptions};
    use skep_types::SystemClock;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_closes_still_gives_what_was_published_by_then() {
        let pubsub = PubSub::new(Options::new(Arc::new(SystemClock)));
        let publish = |text: &'static str| {
            let data = Bytes::from_static(text.as_bytes());
            pubsub.publish(&"a/t".parse().unwrap(), Publish { data, ..Publish::default() }).unwrap();
        };
        let closing = CancellationToken::new();
        let stream = EventStream {
            first: Bytes::from_static(b"retry: 5\n\n"),
            subscription: pubsub.subscribe("a/t".parse().unwrap(), &SubscribeOptions::default()).unwrap(),
            keep_alive: Duration::from_secs(60),
            closing: closing.clone().cancelled_owned(),
            held: Box::new(()),
        };
        let mut body = stream.into_response(HeaderMap::new()).into_body();
        for text in ["one", "two"] {
            publish(text);
        }
        closing.cancel();
        let last = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let last = std::str::from_utf8(&last).unwrap();
        assert!(
            last.starts_with("retry: 5\n\n") && last.contains("data: one\n") && last.contains("data: two\n"),
            "{last}"
        );
        publish("three, for whoever serves next");
        assert!(body.frame().await.is_none());
    }
}
