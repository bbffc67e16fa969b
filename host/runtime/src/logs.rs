//! What guests print: stdout, stderr and `wasi:logging` become `tracing` events of the target `guest`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::stats::CallStats;

/// A longer line is cut into several, so that one call cannot make the host hold more than this.
const LINE_BYTES_MAX: usize = 8 << 10;
/// What a stream takes at once.
const WRITE_BYTES_MAX: usize = 16 << 10;

/// One of a guest's output streams, line by line, until the call's log limit.
#[derive(Clone)]
pub(crate) struct LogStream {
    name: &'static str,
    stats: Arc<CallStats>,
    // A stream can be opened several times and always means the same lines; never held over an await.
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(crate) fn new(name: &'static str, stats: Arc<CallStats>) -> Self {
        Self { name, stats, line: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) {
        let allowed = self.stats.take_log_budget(bytes.len());
        let mut line = self.line.lock();
        for part in bytes.get(..allowed).unwrap_or_default().split_inclusive(|&byte| byte == b'\n') {
            for piece in part.chunks(LINE_BYTES_MAX) {
                line.extend_from_slice(piece);
                if line.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
                    self.emit(&mut line);
                }
            }
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        // Taken first: should whoever writes the log panic, the line is not written again when this is dropped.
        let line = std::mem::take(line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            tracing::info!(
                target: "guest",
                plugin = %self.stats.plugin(),
                request_id = %self.stats.request_id(),
                stream = self.name,
                "{text}"
            );
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        // The last owner prints what has no newline.
        if Arc::strong_count(&self.line) == 1 {
            let mut line = self.line.lock();
            self.emit(&mut line);
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

// The shape that `async_trait` gives the method; the trait asks for it and nothing here waits.
impl Pollable for LogStream {
    fn ready<'life, 'async_trait>(&'life mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
