//! Timeouts that a connection keeps by itself: a request head must be complete in time, a client must take what it asked
//! for, and an idle connection is closed. hyper has one timer for both, which would make every keep-alive as short as a header timeout.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    base: Instant,
    requests: AtomicUsize,
    /// When the connection became idle, in milliseconds since `base`.
    idle_since: AtomicU64,
    /// Bytes of the next request came, and nobody has waited for more of them yet.
    head_came: AtomicBool,
    /// When somebody first waited for more of them; 0 while nobody does.
    head_since: AtomicU64,
    /// Since when the client takes nothing of what is written; 0 while it does.
    stalled_since: AtomicU64,
}

/// Why a connection has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// A request head took too long to arrive.
    Head,
    /// Nobody asked anything for too long.
    Idle,
    /// The client took nothing of its answer for too long.
    Stalled,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            base: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head_came: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        // 0 means never, so the first millisecond is 1.
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A request's head is here.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_came.store(false, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    fn bytes_came(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 {
            self.head_came.store(true, Ordering::Relaxed);
        }
    }

    /// More bytes are wanted and are not there. Nearly every head comes whole, and then the clock need not be read for it.
    fn waits_for_bytes(&self) {
        let is_begun = self.head_came.load(Ordering::Relaxed) && self.requests.load(Ordering::Relaxed) == 0;
        if is_begun && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// A write ended, or has to wait for the client.
    fn wrote(&self, ended: bool) {
        // A load first: nearly every write ends at once.
        let stalled = self.stalled_since.load(Ordering::Relaxed) > 0;
        match (stalled, ended) {
            (true, true) => self.stalled_since.store(0, Ordering::Relaxed),
            (false, false) => self.stalled_since.store(self.now(), Ordering::Relaxed),
            _ => {}
        }
    }

    /// Resolves when the connection has to go.
    pub(crate) async fn overdue(&self, head: Duration, idle: Duration) -> Overdue {
        loop {
            let (wait, why) = self.next(head, idle);
            match (wait, why) {
                (Duration::ZERO, why) => return why,
                (wait, _) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn next(&self, head: Duration, idle: Duration) -> (Duration, Overdue) {
        let since = |at: u64| Duration::from_millis(self.now().saturating_sub(at));
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        if stalled > 0 {
            return (idle.saturating_sub(since(stalled)), Overdue::Stalled);
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return (head.min(idle).max(Duration::from_millis(1)), Overdue::Idle);
        }
        match self.head_since.load(Ordering::Relaxed) {
            0 => {
                let passed = since(self.idle_since.load(Ordering::Relaxed));
                // A head may begin meanwhile and must then be noticed within its own time.
                (idle.saturating_sub(passed).min(head.max(Duration::from_millis(1))), Overdue::Idle)
            }
            at => (head.saturating_sub(since(at)), Overdue::Head),
        }
    }
}

/// A request in progress.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        }
    }
}

/// An answer's body: the request is in progress until it ends.
pub(crate) struct Tracked {
    pub(crate) body: Body,
    pub(crate) _busy: Busy,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Pieces that are no longer together are written as one.
const SHORT: usize = 1 << 10;

/// The pieces in one, if there are several and they are short.
fn gathered<'a>(pieces: &[io::IoSlice<'_>], into: &'a mut [u8; SHORT]) -> Option<&'a [u8]> {
    if pieces.len() < 2 {
        return None;
    }
    let mut end = 0;
    for piece in pieces {
        let from = end;
        end += piece.len();
        into.get_mut(from..end)?.copy_from_slice(piece);
    }
    into.get(..end)
}

/// A stream that tells when bytes come in, and when they do not get out.
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &read {
            Poll::Pending => self.activity.waits_for_bytes(),
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.activity.bytes_came(),
            Poll::Ready(_) => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.activity.wrote(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The system takes one piece faster than several, and the head and body of most answers are short.
        let mut short = [0; SHORT];
        let written = match gathered(bufs, &mut short) {
            Some(whole) => Pin::new(&mut self.inner).poll_write(cx, whole),
            None => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        };
        self.activity.wrote(written.is_ready());
        written
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HEAD: Duration = Duration::from_secs(2);
    const IDLE: Duration = Duration::from_secs(60);

    /// Why a connection has to go that got some bytes after five seconds and waits for more since, and how much later. What the
    /// bytes were is the server's to say.
    async fn end(server: impl FnOnce(&Arc<Activity>)) -> (Overdue, Duration) {
        let (mut client, inner) = tokio::io::duplex(64);
        let activity = Activity::new();
        let mut stream = Watched { inner, activity: Arc::clone(&activity) };
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.write_all(b"GET /").await.unwrap();
        let mut bytes = [0; 64];
        assert_eq!(stream.read(&mut bytes).await.unwrap(), 5);
        server(&activity);
        let since = Instant::now();
        tokio::select! {
            biased;
            _ = stream.read(&mut bytes) => panic!("there is no more"),
            why = activity.overdue(HEAD, IDLE) => (why, since.elapsed()),
        }
    }

    #[test]
    fn short_pieces_are_one_and_long_ones_are_left() {
        let mut short = [7; SHORT];
        let mut one = |pieces: &[&[u8]]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
            gathered(&pieces, &mut short).map(<[u8]>::to_vec)
        };
        assert_eq!(one(&[b"head", b"", b"body"]), Some(b"headbody".to_vec()));
        assert_eq!(one(&[&[1; SHORT - 1], &[2]]), Some([vec![1; SHORT - 1], vec![2]].concat()));
        assert_eq!(one(&[&[1; SHORT], &[2]]), None);
        assert_eq!(one(&[b"alone"]), None, "it needs no copy");
        assert_eq!(one(&[]), None);
    }

    #[tokio::test]
    async fn an_answer_that_is_short_is_one_write() {
        // A writer that says how it was called: of several pieces it takes the first, as a writer may.
        #[derive(Default)]
        struct Writes(Vec<usize>);
        impl AsyncWrite for Writes {
            fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.0.push(buf.len());
                Poll::Ready(Ok(buf.len()))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let mut stream = Watched { inner: Writes::default(), activity: Activity::new() };
        for (head, body, taken) in [(10, 20, 30), (SHORT, 1, SHORT)] {
            let (head, body) = (vec![1; head], vec![2; body]);
            let pieces = [io::IoSlice::new(&head), io::IoSlice::new(&body)];
            assert_eq!(stream.write_vectored(&pieces).await.unwrap(), taken);
        }
        assert_eq!(stream.inner.0, [30, SHORT], "the short two as one, the long two as they came");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_stops_in_its_midst_has_its_own_time() {
        let (why, after) = end(|_| ()).await;
        assert_eq!((why, after.as_secs()), (Overdue::Head, HEAD.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_request_was_answered_is_idle() {
        let (why, after) = end(|activity| drop(activity.request())).await;
        assert_eq!((why, after.as_secs()), (Overdue::Idle, IDLE.as_secs()));
    }
}
