//! Tables, and how they came to be. The table `skep_schema` says how many of [`MIGRATIONS`] the schema has seen.

/// Each brings a schema from the version before it to its own; the first one makes an empty schema version 1. They are never
/// changed once they are released.
pub(super) const MIGRATIONS: [&str; 2] = [V1, V2];

/// The version that this host reads and writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Names are written once, in `plugins` and `queues`; rows have their numbers. What is counted is counted in several rows for
/// each plugin and queue, so that hosts do not wait for each other: what counts is their sum. Texts that may hold anything are
/// bytes, because a text of PostgreSQL holds no zero; names are ordered by their bytes. Numbers that others give take all 64
/// bits; they are kept as signed ones.
const V1: &str = "
CREATE TABLE skep_schema(version bigint NOT NULL);
INSERT INTO skep_schema VALUES (0);

-- Each lease takes some fences at once.
CREATE SEQUENCE versions;
CREATE SEQUENCE fences INCREMENT BY 1000;
CREATE SEQUENCE job_ids;
CREATE SEQUENCE mail_ids;
CREATE SEQUENCE message_ids;
CREATE SEQUENCE host_ids;

CREATE TABLE plugins(
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text COLLATE \"C\" NOT NULL UNIQUE
);
CREATE TABLE queues(
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, plugin bigint NOT NULL, name text COLLATE \"C\" NOT NULL,
  paused boolean NOT NULL DEFAULT false, concurrency bigint, said boolean NOT NULL DEFAULT false,
  UNIQUE (plugin, name)
);
CREATE TABLE plugin_counts(
  plugin bigint NOT NULL, slot smallint NOT NULL, items bigint NOT NULL, jobs bigint NOT NULL,
  processes bigint NOT NULL, bytes bigint NOT NULL, PRIMARY KEY (plugin, slot)
) WITH (fillfactor = 50);
-- In the order of a job's life.
CREATE TABLE queue_counts(
  queue bigint NOT NULL, slot smallint NOT NULL,
  suspended bigint NOT NULL, scheduled bigint NOT NULL, available bigint NOT NULL, executing bigint NOT NULL,
  retryable bigint NOT NULL, completed bigint NOT NULL, cancelled bigint NOT NULL, discarded bigint NOT NULL,
  PRIMARY KEY (queue, slot)
) WITH (fillfactor = 50);

CREATE TABLE items(
  plugin bigint NOT NULL, key bytea NOT NULL, version bigint NOT NULL, expires bigint, value bytea NOT NULL,
  PRIMARY KEY (plugin, key)
);
CREATE INDEX items_expiring ON items(expires) WHERE expires IS NOT NULL;

-- state: 0 suspended, 1 scheduled, 2 available, 3 executing, 4 retryable, 5 completed, 6 cancelled, 7 discarded.
-- waiting, of suspended ones: how many jobs it waits for, or -1 for a revision that knows its name.
-- lane and rank, where it is found:
--   available: queue * 10 + priority, by run_at; scheduled and retryable: -1, by run_at; executing: -2, by when its lease
--   runs out; final: minus its state, by when it ended; suspended: 0, by nothing.
-- any_end: any end of those before it will do. dependants: one waits for it. failures: how many failed attempts there were.
-- bytes: what it counts for. host: whose worker has it.
CREATE TABLE jobs(
  id bigint PRIMARY KEY, queue bigint NOT NULL, state smallint NOT NULL, waiting bigint, lane bigint NOT NULL,
  rank bigint NOT NULL, priority bigint NOT NULL, attempt bigint NOT NULL, max_attempts bigint NOT NULL,
  inserted bigint NOT NULL, run_at bigint NOT NULL, attempted bigint, fence bigint, worker text, host bigint,
  any_end boolean NOT NULL, dependants boolean NOT NULL, failures bigint NOT NULL, bytes bigint NOT NULL,
  name text COLLATE \"C\" NOT NULL, ukey bytea, meta bytea, args bytea NOT NULL, output bytea
) WITH (fillfactor = 80);
CREATE INDEX jobs_lanes ON jobs(lane, rank, id);
CREATE INDEX jobs_unknown ON jobs(queue, name) WHERE waiting = -1;

CREATE TABLE attempts(
  job bigint NOT NULL, seq bigint NOT NULL, attempt bigint NOT NULL, at bigint NOT NULL, error bytea NOT NULL,
  PRIMARY KEY (job, seq)
);
CREATE TABLE uniques(
  plugin bigint NOT NULL, key bytea NOT NULL, job bigint NOT NULL, until bigint, states smallint NOT NULL,
  PRIMARY KEY (plugin, key)
);
-- job waits for before.
CREATE TABLE waits(before bigint NOT NULL, job bigint NOT NULL, PRIMARY KEY (before, job));
-- Jobs that ended, but those that wait for them were too many to be told at once.
CREATE TABLE ending(job bigint PRIMARY KEY, now bigint NOT NULL);

CREATE TABLE ticks(plugin bigint NOT NULL, schedule bytea NOT NULL, at bigint NOT NULL, PRIMARY KEY (plugin, schedule));

-- host: who tells it.
CREATE TABLE outbox(
  id bigint PRIMARY KEY, plugin bigint NOT NULL, host bigint NOT NULL, bytes bigint NOT NULL,
  topic text NOT NULL, event bytea, data bytea NOT NULL
);
CREATE INDEX outbox_hosts ON outbox(host, id);

-- seq: how many changes were committed. bytes: what it counts for, without its events and what was before an upgrade.
-- first_event: the first that is not deleted, or about to be; last_event: the last that was appended.
-- version: of the state; null if there is none. before_…: what it was before an upgrade that may be taken back.
-- host: who made the last turn.
CREATE TABLE processes(
  plugin bigint NOT NULL, number bigint NOT NULL, seq bigint NOT NULL, bytes bigint NOT NULL,
  first_event bigint NOT NULL, last_event bigint NOT NULL, wake_at bigint, kind text NOT NULL,
  name text COLLATE \"C\", quarantined bytea, version bigint, args bytea NOT NULL, extra bytea NOT NULL, state bytea,
  before_version bigint, before_state bytea, host bigint NOT NULL, PRIMARY KEY (plugin, number)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX processes_named ON processes(plugin, name) WHERE name IS NOT NULL;
CREATE INDEX processes_waking ON processes(wake_at, plugin, number) WHERE wake_at IS NOT NULL AND quarantined IS NULL;
CREATE INDEX processes_upgraded ON processes(plugin, number) WHERE before_version IS NOT NULL;

CREATE TABLE process_events(
  plugin bigint NOT NULL, number bigint NOT NULL, id bigint NOT NULL, data bytea NOT NULL,
  PRIMARY KEY (plugin, number, id)
);
-- To a process of the plugin: by its number, or by its name. sender: the plugin that it counts against.
CREATE TABLE mail(
  id bigint PRIMARY KEY, sender bigint NOT NULL, plugin bigint NOT NULL, number bigint, name text COLLATE \"C\",
  at bigint NOT NULL, data bytea NOT NULL, CHECK ((number IS NULL) <> (name IS NULL))
);
CREATE INDEX mail_numbers ON mail(plugin, number, at, id) WHERE number IS NOT NULL;
CREATE INDEX mail_names ON mail(plugin, name, at, id) WHERE name IS NOT NULL;
CREATE INDEX mail_due ON mail(at, id);
-- Events from first on, below this one, are to be deleted, but were too many to be deleted at once; ended: and the mail to its
-- number.
CREATE TABLE process_trims(
  plugin bigint NOT NULL, number bigint NOT NULL, first bigint NOT NULL, below bigint NOT NULL, ended boolean NOT NULL,
  PRIMARY KEY (plugin, number)
);

-- Who works on the database. Each start of a host is another one.
CREATE TABLE hosts(id bigint PRIMARY KEY, seen timestamptz NOT NULL);
-- What a host's commits changed, for the others: its own numbers without gaps, in the order of its commits.
CREATE TABLE feed(
  host bigint NOT NULL, n bigint NOT NULL, at timestamptz NOT NULL, queues bigint[] NOT NULL, next_due bigint,
  taken bigint[] NOT NULL, fences bigint[] NOT NULL, ended bigint[] NOT NULL, states smallint[] NOT NULL,
  mail bigint[] NOT NULL, mail_due bigint, PRIMARY KEY (host, n)
);
";

const V2: &str = "
-- What of queues whose rate is capped began lately: 12 bytes for each step of the period. Whoever has the queue's row locked
-- changes it.
CREATE TABLE rates(queue bigint PRIMARY KEY, begun bytea NOT NULL) WITH (fillfactor = 50);
";
