//! The bodies that go in and out of guests.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use skep_types::{ByteSize, Failure, FailureKind, Phase};
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::WasiBody;

use crate::stats::CallStats;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A request's body, wherever it comes from.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// An answer's body: what is there already, then what the guest is still writing.
pub struct CallBody(Parts);

/// Nearly every answer is one piece. It goes from hand to hand, so what the others need is elsewhere.
enum Parts {
    Whole(Option<Bytes>),
    Several(Box<Several>),
}

struct Several {
    ready: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    rest: Option<Rest>,
}

/// The part of an answer that is not written yet.
struct Rest {
    body: WasiBody,
    stats: Arc<CallStats>,
    progress: Arc<Progress>,
    over: CancellationToken,
    bytes_left: u64,
    ended: bool,
}

/// When a stream last moved.
pub(crate) struct Progress {
    base: Instant,
    last_ms: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { base: now(), last_ms: AtomicU64::new(0) })
    }

    fn moved(&self) {
        let passed = u64::try_from(now().duration_since(self.base).as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(passed, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Instant {
        self.base + std::time::Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

/// The timer's own clock: what is compared with tokio's timers is taken from them.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl CallBody {
    /// A body that is complete.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self(Parts::Whole(Some(bytes)))
    }

    pub(crate) fn complete(mut ready: VecDeque<Bytes>, trailers: Option<HeaderMap>) -> Self {
        if ready.len() < 2 && trailers.is_none() {
            return Self(Parts::Whole(ready.pop_front()));
        }
        Self(Parts::Several(Box::new(Several { ready, trailers, rest: None })))
    }

    /// A body that goes on while the guest writes it. `over` is cancelled when it ends, well or not.
    pub(crate) fn streaming(
        ready: VecDeque<Bytes>,
        body: WasiBody,
        stats: Arc<CallStats>,
        progress: Arc<Progress>,
        over: CancellationToken,
        bytes_left: u64,
    ) -> Self {
        let rest = Rest { body, stats, progress, over, bytes_left, ended: false };
        Self(Parts::Several(Box::new(Several { ready, trailers: None, rest: Some(rest) })))
    }
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Parts::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Parts::Several(several) => several.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Parts::Whole(bytes) => bytes.is_none(),
            Parts::Several(several) => several.ready.is_empty() && several.trailers.is_none() && several.rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Parts::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Parts::Several(several) => several.size_hint(),
        }
    }
}

impl Several {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(bytes) = self.ready.pop_front() {
            if let Some(rest) = &self.rest {
                rest.progress.moved();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.rest {
            None => Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            Some(rest) => rest.poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let ready: u64 = self.ready.iter().map(|bytes| bytes.len() as u64).sum();
        let Some(rest) = &self.rest else { return SizeHint::with_exact(ready) };
        let mut hint = rest.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(ready));
        }
        hint.set_lower(hint.lower().saturating_add(ready));
        hint
    }
}

impl Rest {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // A guest that died drops its end of the body just as one that finished does: only the recorded cause tells
        // them apart, and it is recorded before the guest's store is dropped.
        let outcome = match frame {
            None => match self.stats.cause() {
                None => {
                    self.ended = true;
                    self.over.cancel();
                    return Poll::Ready(None);
                }
                Some(cause) => Err(cause.clone()),
            },
            Some(Err(error)) => Err(self.stats.cause().cloned().unwrap_or_else(|| {
                Failure::new(FailureKind::BadAnswer, Phase::Stream, format!("the body broke off: {error}"))
            })),
            Some(Ok(frame)) => {
                self.progress.moved();
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match self.bytes_left.checked_sub(length) {
                    Some(left) => {
                        self.bytes_left = left;
                        Ok(frame)
                    }
                    None => Err(Failure::new(
                        FailureKind::ResponseTooLarge,
                        Phase::Stream,
                        "the streamed answer is larger than its limit",
                    )),
                }
            }
        };
        Poll::Ready(Some(outcome.map_err(|failure| {
            self.ended = true;
            self.stats.cut_off(failure.clone());
            self.over.cancel();
            failure.into()
        })))
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if !self.ended {
            let detail = "the client left before the answer was complete";
            self.stats.cut_off(Failure::new(FailureKind::ClientGone, Phase::Stream, detail));
            self.over.cancel();
        }
    }
}

/// Reads a whole request body, up to a limit.
pub(crate) async fn collect(mut body: RequestBody, limit: ByteSize) -> Result<Bytes, Failure> {
    use http_body_util::BodyExt as _;
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut first: Option<Bytes> = None;
    let mut more: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::new(FailureKind::BadRequest, Phase::Receive, format!("the request's body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len) + more.len() + data.len();
        if length as u64 > limit.0 {
            return Err(too_large(limit));
        }
        match &first {
            None => first = Some(data),
            Some(_) => more.extend_from_slice(&data),
        }
    }
    let first = first.unwrap_or_default();
    if more.is_empty() {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(first.len() + more.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&more);
    Ok(whole.into())
}

/// The refusal of a request body.
pub(crate) fn too_large(limit: ByteSize) -> Failure {
    Failure::new(FailureKind::RequestTooLarge, Phase::Receive, format!("the request's body is larger than {limit}"))
}

/// A request body for `wasi:http` that fails, and says so, past a limit.
pub(crate) struct LimitedBody {
    inner: RequestBody,
    left: u64,
    stats: Arc<CallStats>,
}

impl LimitedBody {
    pub(crate) fn new(inner: RequestBody, limit: ByteSize, stats: Arc<CallStats>) -> Self {
        Self { inner, left: limit.0, stats }
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        Poll::Ready(match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            None => None,
            Some(Err(_)) => Some(Err(wasmtime_wasi_http::Error::ConnectionTerminated)),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.stats.owe(length);
                match this.left.checked_sub(length as u64) {
                    Some(left) => {
                        this.left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        this.stats.note_request_too_large();
                        Some(Err(wasmtime_wasi_http::Error::HttpRequestBodySize(None)))
                    }
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
