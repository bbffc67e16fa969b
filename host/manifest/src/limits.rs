//! `[plugins.NAME.limits]`. What the limits mean and their defaults are in `skep_types::Limits`; here are their bounds.

use std::time::Duration;

use skep_types::{ByteSize, Limits};

use crate::read::Section;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
/// A call that takes longer than a day is a process, not a call.
const DAY: Duration = Duration::from_secs(24 * 3600);
const KIB: ByteSize = ByteSize::kib(1);
const GIB: ByteSize = ByteSize::mib(1 << 10);

/// Reads the table over the defaults. Gives the keys too, for suggestions a level higher.
pub(crate) fn read(mut table: Section<'_>) -> (Limits, Vec<&'static str>) {
    let mut limits = Limits::default();
    table.bounded("fuel", &mut limits.fuel, 1..=u64::MAX);
    table.bounded("deadline", &mut limits.deadline, MILLISECOND..=DAY);
    table.bounded("stream_idle", &mut limits.stream_idle, MILLISECOND..=DAY);
    stream_total(&mut table, &mut limits.stream_total);
    // One page of wasm, to all that 32 bits can address.
    table.bounded("memory", &mut limits.memory, ByteSize::kib(64)..=ByteSize::mib(4 << 10));
    table.bounded("host_memory", &mut limits.host_memory, ByteSize::kib(64)..=GIB);
    // A WASI program holds a dozen handles before its first line runs.
    table.bounded("handles", &mut limits.handles, 64..=1_000_000);
    table.bounded("concurrency", &mut limits.concurrency, 1..=100_000);
    table.bounded("streams", &mut limits.streams, 1..=1_000_000);
    // Zero is legitimate here: nobody waits, no request has a body, nothing is logged.
    table.bounded("queue", &mut limits.queue, 0..=1_000_000);
    table.bounded("request_body", &mut limits.request_body, ByteSize(0)..=ByteSize::mib(1 << 20));
    table.bounded("response_body", &mut limits.response_body, ByteSize(1)..=ByteSize::mib(1 << 20));
    table.bounded("response_headers", &mut limits.response_headers, KIB..=ByteSize::mib(1));
    table.bounded("log", &mut limits.log, ByteSize(0)..=ByteSize::mib(64));
    table.bounded("outbound_concurrency", &mut limits.outbound_concurrency, 1..=1000);
    table.bounded("outbound_timeout", &mut limits.outbound_timeout, MILLISECOND..=HOUR);
    (limits, table.finish())
}

/// A duration, or `"none"`, which is the default.
fn stream_total(table: &mut Section<'_>, slot: &mut Option<Duration>) {
    const KEY: &str = "stream_total";
    let Some(item) = table.item(KEY) else { return };
    if item.value.as_str() != Some("none") {
        let mut total = DAY;
        table.bounded(KEY, &mut total, MILLISECOND..=7 * DAY);
        *slot = Some(total);
    }
}
