//! What goes where. Plugins, queues, jobs and all else keep their numbers.

use tokio_postgres::types::Type;

use crate::limits::MESSAGE_OVERHEAD;
use crate::postgres::batch::Sql;

/// A table that both have.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// How its rows are read from the file.
    pub(super) read: &'static str,
    /// How they are written: a column for each that is read, in its order.
    pub(super) write: Sql,
    pub(super) count: Sql,
}

/// The sequences whose last numbers are in the file's `counters`: version, fence, job, mail and message.
pub(super) const COUNTERS: [&str; 5] = ["versions", "fences", "job_ids", "mail_ids", "message_ids"];

// It stands in the statement that writes messages.
const _: () = assert!(MESSAGE_OVERHEAD == 64);

macro_rules! table {
    ($name:literal, [$($ty:ident)*], $read:expr, $write:expr $(,)?) => {
        Table {
            name: $name,
            read: $read,
            write: Sql { text: $write, types: &[$(Type::$ty),*] },
            count: Sql { text: concat!("SELECT count(*) FROM ", $name), types: &[] },
        }
    };
}

/// The host 0, which never was, has what the file's host had: it is dead, so that others take it over.
pub(super) static TABLES: [Table; 15] = [
    table!(
        "plugins",
        [INT8_ARRAY TEXT_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY],
        "SELECT id, name, items, jobs, processes, bytes FROM plugins",
        "WITH new AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6) AS new(id, name, items, jobs, processes, bytes)),
           named AS (INSERT INTO plugins(id, name) OVERRIDING SYSTEM VALUE SELECT id, name FROM new)
         INSERT INTO plugin_counts(plugin, slot, items, jobs, processes, bytes)
         SELECT id, 0, items, jobs, processes, bytes FROM new",
    ),
    table!(
        "queues",
        [INT8_ARRAY INT8_ARRAY TEXT_ARRAY BOOL_ARRAY INT8_ARRAY BOOL_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY
         INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY],
        "SELECT id, plugin, name, paused, concurrency, said, suspended, scheduled, available, executing, retryable, completed,
           cancelled, discarded FROM queues",
        "WITH new AS (
           SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             AS new(id, plugin, name, paused, concurrency, said, suspended, scheduled, available, executing, retryable,
               completed, cancelled, discarded)),
           named AS (
             INSERT INTO queues(id, plugin, name, paused, concurrency, said) OVERRIDING SYSTEM VALUE
             SELECT id, plugin, name, paused, concurrency, said FROM new)
         INSERT INTO queue_counts(queue, slot, suspended, scheduled, available, executing, retryable, completed, cancelled,
           discarded)
         SELECT id, 0, suspended, scheduled, available, executing, retryable, completed, cancelled, discarded FROM new",
    ),
    table!(
        "rates",
        [INT8_ARRAY BYTEA_ARRAY],
        "SELECT queue, begun FROM rates",
        "INSERT INTO rates(queue, begun) SELECT * FROM unnest($1, $2)",
    ),
    table!(
        "items",
        [INT8_ARRAY BYTEA_ARRAY INT8_ARRAY INT8_ARRAY BYTEA_ARRAY],
        "SELECT plugin, key, version, expires, value FROM items",
        "INSERT INTO items(plugin, key, version, expires, value) SELECT * FROM unnest($1, $2, $3, $4, $5)",
    ),
    // 1, 2 and 4 of `blobs`: arguments, output and meta are there.
    table!(
        "jobs",
        [INT8_ARRAY INT8_ARRAY INT2_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY
         INT8_ARRAY INT8_ARRAY INT8_ARRAY TEXT_ARRAY BOOL_ARRAY BOOL_ARRAY INT8_ARRAY INT8_ARRAY TEXT_ARRAY BYTEA_ARRAY
         BYTEA_ARRAY BYTEA_ARRAY BYTEA_ARRAY],
        "SELECT id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, inserted, run_at, attempted, fence,
           worker, ends, dependants, failures, bytes, name, ukey,
           CASE WHEN blobs & 4 THEN (SELECT data FROM blobs WHERE blobs.id = jobs.id * 4 + 2) ELSE meta END,
           CASE WHEN blobs & 1 THEN (SELECT data FROM blobs WHERE blobs.id = jobs.id * 4) ELSE coalesce(args, x'') END,
           CASE WHEN blobs & 2 THEN (SELECT data FROM blobs WHERE blobs.id = jobs.id * 4 + 1) ELSE output END
         FROM jobs",
        "INSERT INTO jobs(id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, inserted, run_at, attempted,
           fence, worker, any_end, dependants, failures, bytes, name, ukey, meta, args, output, host)
         SELECT *, CASE WHEN state = 3 THEN 0 END
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
           $23) AS new(id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, inserted, run_at, attempted,
             fence, worker, any_end, dependants, failures, bytes, name, ukey, meta, args, output)",
    ),
    table!(
        "attempts",
        [INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY BYTEA_ARRAY],
        "SELECT job, seq, attempt, at, error FROM attempts",
        "INSERT INTO attempts(job, seq, attempt, at, error) SELECT * FROM unnest($1, $2, $3, $4, $5)",
    ),
    table!(
        "uniques",
        [INT8_ARRAY BYTEA_ARRAY INT8_ARRAY INT8_ARRAY INT2_ARRAY],
        "SELECT plugin, key, job, until, states FROM uniques",
        "INSERT INTO uniques(plugin, key, job, until, states) SELECT * FROM unnest($1, $2, $3, $4, $5)",
    ),
    table!(
        "waits",
        [INT8_ARRAY INT8_ARRAY],
        "SELECT before, job FROM waits",
        "INSERT INTO waits(before, job) SELECT * FROM unnest($1, $2)",
    ),
    table!(
        "ending",
        [INT8_ARRAY INT8_ARRAY],
        "SELECT job, now FROM ending",
        "INSERT INTO ending(job, now) SELECT * FROM unnest($1, $2)",
    ),
    table!(
        "ticks",
        [INT8_ARRAY BYTEA_ARRAY INT8_ARRAY],
        "SELECT plugin, schedule, at FROM ticks",
        "INSERT INTO ticks(plugin, schedule, at) SELECT * FROM unnest($1, $2, $3)",
    ),
    table!(
        "outbox",
        [INT8_ARRAY INT8_ARRAY TEXT_ARRAY BYTEA_ARRAY BYTEA_ARRAY],
        "SELECT id, plugin, topic, event, data FROM outbox",
        "INSERT INTO outbox(id, plugin, topic, event, data, host, bytes)
         SELECT *, 0, octet_length(topic) + coalesce(octet_length(event), 0) + octet_length(data)::bigint + 64
         FROM unnest($1, $2, $3, $4, $5) AS new(id, plugin, topic, event, data)",
    ),
    // 1, 2 and 4 of `parts`: arguments, what is beside the state, and the state are there.
    table!(
        "processes",
        [INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY TEXT_ARRAY TEXT_ARRAY BYTEA_ARRAY
         INT8_ARRAY BYTEA_ARRAY BYTEA_ARRAY BYTEA_ARRAY INT8_ARRAY BYTEA_ARRAY],
        "SELECT p.plugin, p.number, seq, bytes, first_event, last_event, wake_at, kind, name, quarantined, p.version,
           CASE WHEN parts & 1
             THEN (SELECT data FROM process_parts WHERE plugin = p.plugin AND number = p.number AND part = 0)
             ELSE coalesce(args, x'') END,
           CASE WHEN parts & 2
             THEN (SELECT data FROM process_parts WHERE plugin = p.plugin AND number = p.number AND part = 1)
             ELSE coalesce(extra, x'') END,
           CASE WHEN parts & 4
             THEN (SELECT data FROM process_parts WHERE plugin = p.plugin AND number = p.number AND part = 2)
             ELSE p.state END,
           b.version, b.state
         FROM processes AS p LEFT JOIN process_befores AS b ON b.plugin = p.plugin AND b.number = p.number",
        "INSERT INTO processes(plugin, number, seq, bytes, first_event, last_event, wake_at, kind, name, quarantined, version,
           args, extra, state, before_version, before_state, host)
         SELECT *, 0 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    ),
    table!(
        "process_events",
        [INT8_ARRAY INT8_ARRAY INT8_ARRAY BYTEA_ARRAY],
        "SELECT plugin, number, id, data FROM process_events",
        "INSERT INTO process_events(plugin, number, id, data) SELECT * FROM unnest($1, $2, $3, $4)",
    ),
    table!(
        "mail",
        [INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY TEXT_ARRAY INT8_ARRAY BYTEA_ARRAY],
        "SELECT id, sender, plugin, iif(typeof(receiver) = 'integer', receiver, NULL),
           iif(typeof(receiver) = 'text', receiver, NULL), at, data FROM mail",
        "INSERT INTO mail(id, sender, plugin, number, name, at, data) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)",
    ),
    // The database deletes by numbers from a first one to a last one; the file by what is there.
    table!(
        "process_trims",
        [INT8_ARRAY INT8_ARRAY INT8_ARRAY INT8_ARRAY BOOL_ARRAY],
        "SELECT t.plugin, t.number, coalesce(min(e.id), 0), coalesce(max(e.id) + 1, 0), t.ended
         FROM process_trims AS t
         LEFT JOIN process_events AS e ON e.plugin = t.plugin AND e.number = t.number AND e.id < t.below
         GROUP BY t.plugin, t.number, t.ended",
        "INSERT INTO process_trims(plugin, number, first, below, ended) SELECT * FROM unnest($1, $2, $3, $4, $5)",
    ),
];
