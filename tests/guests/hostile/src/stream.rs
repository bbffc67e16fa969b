//! Answers whose head is out before their body is complete, and what can go wrong then.

use std::io::Write as _;

use wasip2::http::types::Fields;

use crate::{Call, cpu, wait};

/// A chunk that fills no buffer of the host, so that its arrival means that it was flushed.
const CHUNK: &[u8] = b"one chunk\n";
const BLOCK_BYTES: usize = 16 << 10;

pub(crate) fn stream(call: Call) {
    let (n, ms) = (call.query.number("n", 3), call.query.number("ms", 50));
    let size = usize::try_from(call.query.number("size", 16)).unwrap_or(usize::MAX);
    let chunk = vec![b'x'; size];
    let mut body = call.out.start(200, Fields::new());
    for i in 0..n {
        if i > 0 {
            wait::sleep_ms(ms);
        }
        if body.write_all(&chunk).and_then(|()| body.flush()).is_err() {
            // The client has gone; leaving the body unfinished says that this is not its end.
            return;
        }
    }
    body.finish();
}

pub(crate) fn stream_then_trap(call: Call) {
    let mut body = call.out.start(200, Fields::new());
    let _ = body.write_all(CHUNK).and_then(|()| body.flush());
    wait::sleep_ms(50);
    core::arch::wasm32::unreachable()
}

pub(crate) fn stream_then_hang(call: Call) {
    let mut body = call.out.start(200, Fields::new());
    let _ = body.write_all(CHUNK).and_then(|()| body.flush());
    wait::forever();
    body.finish();
}

/// Writes as fast as it is allowed to. Ends only when the host closes the stream.
pub(crate) fn body_forever(call: Call) {
    let block = [b'x'; BLOCK_BYTES];
    let mut body = call.out.start(200, Fields::new());
    while body.write_all(&block).is_ok() {}
}

/// Returns normally in the middle of its body, at once or after `ms` of waiting: the answer must not look complete.
/// With `length` it announces a content-length that it falls short of.
pub(crate) fn unfinished_body(call: Call) {
    let headers = Fields::new();
    if let Some(length) = call.query.get("length") {
        // A length that is no number is refused, here or by the host later; both show in the answer.
        let _ = headers.append("content-length", length.as_bytes());
    }
    let mut body = call.out.start(200, headers);
    let _ = body.write_all(CHUNK).and_then(|()| body.flush());
    if call.query.get("ms").is_some() {
        wait::sleep_ms(call.query.number("ms", 50));
    }
}

/// Answers completely, then keeps its instance. The log line tells a test that the work was not cut off.
pub(crate) fn post_return(call: Call) {
    let ms = call.query.number("ms", 100);
    let sleeps = call.query.get("how") == Some("sleep");
    call.out.text(200, "answered");
    if sleeps {
        wait::sleep_ms(ms);
    } else {
        cpu::spin_for(ms);
    }
    println!("post-return work done");
}
