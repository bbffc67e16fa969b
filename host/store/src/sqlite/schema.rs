//! Tables, and how they came to be. A file says in `user_version` how many of [`MIGRATIONS`] it has seen.

/// "skep", so that nobody takes the file for something else.
pub(super) const APPLICATION_ID: i32 = 0x736b_6570;

/// Each brings a file from the version before it to its own; the first one makes an empty file version 1. They are never
/// changed once they are released.
pub(super) const MIGRATIONS: [&str; 3] = [V1, V2, V3];

/// The version that this host reads and writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Names are written once, in `plugins` and `queues`; rows have their numbers. A job's small parts (arguments, output, meta)
/// are in its row, large ones in `blobs`, so that a row stays narrow where many are looked at. A job stands in one lane of
/// the one index: that of its queue and priority when it is available, else that of its state.
const V1: &str = "
CREATE TABLE counters(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL, job INTEGER NOT NULL, fence INTEGER NOT NULL, message INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0, 0);

CREATE TABLE plugins(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  items INTEGER NOT NULL DEFAULT 0, jobs INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE items(
  plugin INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER, value BLOB NOT NULL,
  PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_expiring ON items(expires) WHERE expires IS NOT NULL;

CREATE TABLE queues(
  id INTEGER PRIMARY KEY, plugin INTEGER NOT NULL, name TEXT NOT NULL,
  suspended INTEGER NOT NULL DEFAULT 0, scheduled INTEGER NOT NULL DEFAULT 0, available INTEGER NOT NULL DEFAULT 0,
  executing INTEGER NOT NULL DEFAULT 0, retryable INTEGER NOT NULL DEFAULT 0, completed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0, discarded INTEGER NOT NULL DEFAULT 0,
  paused INTEGER NOT NULL DEFAULT 0, concurrency INTEGER, said INTEGER NOT NULL DEFAULT 0,
  UNIQUE (plugin, name)
) STRICT;

-- state: 0 suspended, 1 scheduled, 2 available, 3 executing, 4 retryable, 5 completed, 6 cancelled, 7 discarded.
-- waiting, of suspended ones: how many jobs it waits for, or -1 for a revision that knows its name.
-- lane and rank, where it is found:
--   available: queue * 10 + priority, by run_at; scheduled and retryable: -1, by run_at; executing: -2, by when its lease
--   runs out; final: minus its state, by when it ended; suspended: 0, by nothing.
-- ends: 0 those before it must complete, 1 any end will do. dependants: 1 if one waits for it.
-- failures: how many failed attempts there were. bytes: what it counts for. blobs: which parts are in blobs, as bits.
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, state INTEGER NOT NULL, waiting INTEGER,
  lane INTEGER NOT NULL, rank INTEGER NOT NULL,
  priority INTEGER NOT NULL, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
  inserted INTEGER NOT NULL, run_at INTEGER NOT NULL, attempted INTEGER, fence INTEGER, worker TEXT,
  ends INTEGER NOT NULL, dependants INTEGER NOT NULL, failures INTEGER NOT NULL, bytes INTEGER NOT NULL,
  blobs INTEGER NOT NULL, name TEXT NOT NULL, ukey BLOB, meta BLOB, args BLOB, output BLOB
) STRICT;
CREATE INDEX jobs_lanes ON jobs(lane, rank);
CREATE INDEX jobs_unknown ON jobs(queue, name) WHERE waiting = -1;

-- id: the job's number times 4, plus 0 for args, 1 for output, 2 for meta.
CREATE TABLE blobs(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE TABLE attempts(
  job INTEGER NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL, at INTEGER NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE uniques(
  plugin INTEGER NOT NULL, key BLOB NOT NULL, job INTEGER NOT NULL, until INTEGER, states INTEGER NOT NULL,
  PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID;

-- job waits for before.
CREATE TABLE waits(before INTEGER NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (before, job)) STRICT, WITHOUT ROWID;
-- Jobs that ended, but those that wait for them were too many to be told at once.
CREATE TABLE ending(job INTEGER PRIMARY KEY, now INTEGER NOT NULL) STRICT;

CREATE TABLE ticks(
  plugin INTEGER NOT NULL, schedule TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (plugin, schedule)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox(
  id INTEGER PRIMARY KEY, plugin INTEGER NOT NULL, topic TEXT NOT NULL, event TEXT, data BLOB NOT NULL
) STRICT;
";

/// Processes, their events, and mail. A turn writes one narrow row and, of what is large, only what changed: a process's large
/// parts are in a table of their own. Numbers are given by others and take all 64 bits; they are kept as signed ones.
const V2: &str = "
ALTER TABLE counters ADD COLUMN mail INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plugins ADD COLUMN processes INTEGER NOT NULL DEFAULT 0;

-- seq: how many changes were committed. bytes: what it counts for, without its events and what was before an upgrade.
-- first_event: the first that is not deleted, or about to be; last_event: the last that was appended.
-- version: of the state; null if there is none. parts: which of args, extra and state are in process_parts, as bits.
CREATE TABLE processes(
  plugin INTEGER NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL, bytes INTEGER NOT NULL,
  first_event INTEGER NOT NULL, last_event INTEGER NOT NULL, wake_at INTEGER, kind TEXT NOT NULL, name TEXT,
  quarantined TEXT, version INTEGER, parts INTEGER NOT NULL, args BLOB, extra BLOB, state BLOB,
  PRIMARY KEY (plugin, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX processes_named ON processes(plugin, name) WHERE name IS NOT NULL;
CREATE INDEX processes_waking ON processes(wake_at) WHERE wake_at IS NOT NULL AND quarantined IS NULL;

-- part: 0 args, 1 extra, 2 state.
CREATE TABLE process_parts(
  plugin INTEGER NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (plugin, number, part)
) STRICT, WITHOUT ROWID;

-- What a state was before an upgrade that may be taken back.
CREATE TABLE process_befores(
  plugin INTEGER NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (plugin, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE process_events(
  plugin INTEGER NOT NULL, number INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (plugin, number, id)
) STRICT, WITHOUT ROWID;

-- receiver: the number or the name of a process of the plugin. sender: the plugin that it counts against.
CREATE TABLE mail(
  id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, plugin INTEGER NOT NULL, receiver ANY NOT NULL, at INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX mail_receivers ON mail(plugin, receiver, at);
CREATE INDEX mail_due ON mail(at);

-- Events below this one are to be deleted, but were too many to be deleted at once; ended: and the mail to its number.
CREATE TABLE process_trims(
  plugin INTEGER NOT NULL, number INTEGER NOT NULL, below INTEGER NOT NULL, ended INTEGER NOT NULL,
  PRIMARY KEY (plugin, number)
) STRICT, WITHOUT ROWID;
";

/// What of queues whose rate is capped began lately: 12 bytes for each step of the period, when it ends and how many began in it.
const V3: &str = "
CREATE TABLE rates(queue INTEGER PRIMARY KEY, begun BLOB NOT NULL) STRICT;
";
