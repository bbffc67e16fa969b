//! `wasi:http`, both versions: the guest and its answer are driven by one future, and only an answer that is still
//! being written when its headers are out gets a task of its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use skep_types::{Failure, FailureKind, Phase};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::admission::Admitted;
use crate::body::{CallBody, LimitedBody, Progress, RequestBody, now};
use crate::fair::Fair;
use crate::instance::Running;
use crate::linked::{Guest, Role};
use crate::revision::{Revision, boxed};
use crate::stats::CallStats;

/// What is read of an answer before the client gets its headers, so that a short answer is sent whole and its guest
/// needs no task.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// A guest at work. It resolves when the guest is done and its instance is given back.
type GuestFuture = Fair<Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>>;
/// Where the answer's head comes from.
type Head = oneshot::Receiver<Result<Response<WasiBody>, ErrorCode>>;

/// The answer, and the guest if it is not done yet.
pub(crate) struct Answer {
    pub(crate) response: Response<CallBody>,
    pub(crate) unfinished: Option<Unfinished>,
}

/// A guest that goes on after its headers are out.
pub(crate) struct Unfinished {
    // `None` when the guest is done and only its body is still on its way to the client.
    guest: Option<GuestFuture>,
    progress: Arc<Progress>,
    /// Cancelled when the body ended, well or not.
    over: CancellationToken,
}

/// Runs the call until its answer is complete, or until its head is there and the guest has to wait for something.
pub(crate) async fn call(
    revision: &Arc<Revision>,
    stats: &Arc<CallStats>,
    request: Request<RequestBody>,
) -> Result<Answer, Failure> {
    stats.enter(Phase::Queue);
    let admitted = revision.admission().enter().await?;
    let limits = revision.limits();
    let request = request.map(|body| LimitedBody::new(body, limits.request_body, Arc::clone(stats)).boxed_unsync());
    let (sender, head) = oneshot::channel();
    let (of, its) = (Arc::clone(revision), Arc::clone(stats));
    let guest: Pin<Box<dyn Future<Output = _> + Send>> = boxed(|| run(of, its, admitted, request, sender));
    let guest = Fair::new(guest, Arc::clone(revision.fair()), revision.party(), Arc::clone(stats));
    Answering::new(guest, head, limits.response_body.0).answer(stats).await
}

/// The guest's side.
async fn run(
    revision: Arc<Revision>,
    stats: Arc<CallStats>,
    admitted: Admitted,
    request: Request<WasiBody>,
    sender: oneshot::Sender<Result<Response<WasiBody>, ErrorCode>>,
) -> Result<(), Failure> {
    let mut running = Running::start(&revision, &stats, 0, Role::Http).await?;
    let result = match running.parts() {
        Some((store, Guest::Wasi02(guest))) => {
            let scheme = if stats.call().secure { Scheme::Https } else { Scheme::Http };
            let mut http = store.data_mut().http();
            let handles = http
                .new_incoming_request(scheme, request)
                .and_then(|request| Ok((request, http.new_response_outparam(sender)?)));
            match handles {
                Ok((request, out)) => guest.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await,
                Err(error) => Err(error),
            }
        }
        #[cfg(feature = "p3")]
        Some((store, Guest::Wasi03(guest))) => super::wasi03::run(store, guest, request, sender).await,
        _ => Err(wasmtime::format_err!("not a wasi:http instance")),
    };
    let ended = match result {
        Ok(()) => {
            running.finish();
            Ok(())
        }
        Err(error) => {
            let failure = running.failed(&error);
            // Before its place is another's: the pool has no slot beside.
            drop(running);
            Err(failure)
        }
    };
    revision.admission().leave(admitted);
    ended
}

/// The host's side: takes the answer's head and as much of its body as comes without waiting.
struct Answering {
    guest: Option<GuestFuture>,
    outcome: Option<Result<(), Failure>>,
    head: Option<Head>,
    refused: Option<ErrorCode>,
    response: Option<(http::response::Parts, WasiBody)>,
    frames: VecDeque<Bytes>,
    buffered: usize,
    trailers: Option<HeaderMap>,
    body_ended: bool,
    bytes_max: u64,
}

impl Answering {
    fn new(guest: GuestFuture, head: Head, bytes_max: u64) -> Self {
        Self {
            guest: Some(guest),
            outcome: None,
            head: Some(head),
            refused: None,
            response: None,
            frames: VecDeque::new(),
            buffered: 0,
            trailers: None,
            body_ended: false,
            bytes_max,
        }
    }

    async fn answer(mut self, stats: &Arc<CallStats>) -> Result<Answer, Failure> {
        std::future::poll_fn(|cx| self.poll(cx)).await?;
        let outcome = self.outcome.take();
        // A failure that comes before anything was sent is the answer, whatever the guest said first.
        if let Some(Err(failure)) = outcome {
            return Err(failure);
        }
        if stats.request_too_large() {
            // Whatever the guest makes of a request that breaks off, the client learns why.
            let detail = "the request's body is over its limit";
            return Err(Failure::new(FailureKind::RequestTooLarge, Phase::Handle, detail));
        }
        if let Some(code) = self.refused {
            let detail = format!("the guest answered with the error {code:?}");
            return Err(Failure::new(FailureKind::BadAnswer, Phase::Handle, detail));
        }
        let Some((parts, body)) = self.response else {
            let detail = "the guest returned without setting a response";
            return Err(Failure::new(FailureKind::NoAnswer, Phase::Handle, detail));
        };
        let done = outcome.is_some();
        if self.body_ended {
            let unfinished = if done { None } else { self.guest.map(Unfinished::detached) };
            let body = CallBody::complete(self.frames, self.trailers);
            return Ok(Answer { response: Response::from_parts(parts, body), unfinished });
        }
        let announced = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > self.bytes_max) {
            return Err(too_large(self.bytes_max));
        }
        let (progress, over) = (Progress::new(), CancellationToken::new());
        let left = self.bytes_max.saturating_sub(self.buffered as u64);
        stats.enter(Phase::Stream);
        let body = CallBody::streaming(self.frames, body, Arc::clone(stats), Arc::clone(&progress), over.clone(), left);
        let unfinished = Unfinished { guest: self.guest.filter(|_| !done), progress, over };
        Ok(Answer { response: Response::from_parts(parts, body), unfinished: Some(unfinished) })
    }

    /// Ready when there is something to tell the client: a whole answer, a head whose guest waits, or a failure.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            if self.outcome.is_none()
                && let Some(guest) = &mut self.guest
                && let Poll::Ready(outcome) = Pin::new(guest).poll(cx)
            {
                self.outcome = Some(outcome);
                self.guest = None;
            }
            if let Some(head) = &mut self.head
                && let Poll::Ready(head) = Pin::new(head).poll(cx)
            {
                self.head = None;
                match head {
                    Ok(Ok(response)) => self.response = Some(response.into_parts()),
                    Ok(Err(code)) => self.refused = Some(code),
                    // The guest dropped its response-outparam; its end will say why.
                    Err(_) => {}
                }
            }
            let moved = self.poll_body(cx)?;
            let has_head = self.response.is_some();
            let done = self.outcome.is_some();
            if done && (!has_head || self.body_ended || !moved) {
                return Poll::Ready(Ok(()));
            }
            if has_head && (self.body_ended || !moved) {
                return Poll::Ready(Ok(()));
            }
            if !has_head && !moved {
                return Poll::Pending;
            }
            // A frame was taken: that may be what the guest was waiting for.
        }
    }

    /// Takes what the body has, up to the buffer's size; says whether it took anything.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut moved = false;
        while let Some((_, body)) = &mut self.response
            && !self.body_ended
            && self.buffered < BUFFER_BYTES_MAX
        {
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.body_ended = true,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.buffered += data.len();
                        self.frames.push_back(data);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(Some(Err(error))) => {
                    // Where the guest failed, its own failure says more.
                    if let Some(Err(failure)) = self.outcome.take() {
                        return Err(failure);
                    }
                    let detail = format!("the body broke off: {error}");
                    return Err(Failure::new(FailureKind::BadAnswer, Phase::Handle, detail));
                }
            }
            moved = true;
        }
        if self.buffered as u64 > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        Ok(moved)
    }
}

fn too_large(bytes_max: u64) -> Failure {
    let detail = format!("a body over {}", skep_types::ByteSize(bytes_max));
    Failure::new(FailureKind::ResponseTooLarge, Phase::Handle, detail)
}

impl Unfinished {
    /// A guest whose body is complete and that is still at work: nobody waits for it.
    fn detached(guest: GuestFuture) -> Self {
        let over = CancellationToken::new();
        over.cancel();
        Self { guest: Some(guest), progress: Progress::new(), over }
    }

    /// Drives the guest to its end and waits for the end of its body, or cuts it off: when the stream stands still or
    /// takes too long, when the client is gone, or when the revision is retired.
    pub(crate) async fn drive(mut self, revision: &Revision, stats: &CallStats) -> Result<(), Failure> {
        let limits = revision.limits();
        let total = limits.stream_total.map(|total| tokio::time::Instant::from_std(now() + total));
        let failure = loop {
            let idle = tokio::time::Instant::from_std(self.progress.last() + limits.stream_idle);
            let body_over = self.over.is_cancelled();
            if self.guest.is_none() && body_over {
                return stats.cause().map_or(Ok(()), |cause| Err(cause.clone()));
            }
            tokio::select! {
                // First, because a guest that finds its client gone may well end as if all were good.
                biased;
                () = self.over.cancelled(), if !body_over => {
                    if let Some(cause) = stats.cause() {
                        break cause.clone();
                    }
                }
                outcome = poll_some(&mut self.guest), if self.guest.is_some() => {
                    self.guest = None;
                    outcome?;
                }
                () = revision.retired() => {
                    break Failure::new(FailureKind::Retired, Phase::Stream, "the drain time of the revision is over");
                }
                () = tokio::time::sleep_until(idle) => {
                    if self.progress.last() + limits.stream_idle <= now() {
                        let detail = format!("no progress for {:?}", limits.stream_idle);
                        break Failure::new(FailureKind::StreamIdle, Phase::Stream, detail);
                    }
                }
                () = sleep_until_some(total) => {
                    let total = limits.stream_total.unwrap_or(Duration::ZERO);
                    let detail = format!("streamed for more than {total:?}");
                    break Failure::new(FailureKind::StreamTotal, Phase::Stream, detail);
                }
            }
        };
        // Before the guest is dropped: its end of the body closes with it, and must not look like the end of the body.
        stats.cut_off(failure.clone());
        Err(failure.in_function(revision.export(Role::Http)))
    }
}

async fn poll_some(guest: &mut Option<GuestFuture>) -> Result<(), Failure> {
    match guest {
        Some(guest) => guest.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until_some(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
