//! The settings of a plugin as one text, for the hash of its revision.

use skep_types::{Instances, Limits, TopicPattern};

use crate::caches::{CacheAccess, CacheConfig, CacheKind};
use crate::channels::ChannelConfig;
use crate::grants::{FileGrant, Grants};
use crate::jobs::JobsConfig;
use crate::plugin::PluginConfig;
use crate::processes::{Persistence, ProcessAccess, ProcessConfig};
use crate::secret::SecretRef;
use crate::sql::{SqlAccess, SqlConfig, SqlPlace};
use crate::store::{StoreAccess, StoreConfig};
use crate::subscribers::SubscriberConfig;
use crate::tasks::{TaskRestart, TasksConfig};
use crate::topics::{PresenceDetail, Retain, TopicAccess, TopicConfig};
use crate::warmers::WarmerConfig;

/// Writes all settings that the code can notice.
///
/// What only decides how soon, how often or how much at once the host calls the code, and what it does about failures,
/// makes no revision: queues, schedules, the breaker, supervision and probation. A reload brings it into force, so an operator who
/// turns such a knob in an incident puts no new revision on probation. (The limits are older than this rule, and stay as
/// they are, because a revision must keep its id.)
///
/// Settings that came with a later version of the host are written where they differ from their defaults, for the same
/// reason.
///
/// Each struct is taken apart in full, so that whoever adds a setting has to decide here whether it makes a revision.
pub(crate) fn of(plugin: &PluginConfig) -> String {
    let PluginConfig {
        source: _,
        build: _,
        needs: _,
        watch: _,
        // Where requests come from, event streams included: a topic reaches the code as a path does, as what is asked.
        routes: _,
        compression: _,
        cors: _,
        rate_limit: _,
        caches,
        warmers,
        topics,
        // Where clients come from, as routes.
        sockets: _,
        channels,
        subscribers,
        tasks,
        store,
        sql,
        jobs,
        queues: _,
        // It inserts jobs as any caller may: what they are given reaches the code as a request does, as what is asked.
        cron: _,
        processes,
        supervision: _,
        breaker: _,
        probation: _,
        instances,
        env,
        config,
        secrets,
        args,
        limits,
        grants,
    } = plugin;
    let mut text = Text("skep settings 1\n".to_owned());
    match instances {
        Instances::Fresh => text.add("instances", "fresh"),
        Instances::Reuse(calls) => text.add("instances.reuse", calls),
    }
    for (key, value) in env {
        text.pair("env", key, value);
    }
    for (key, value) in config {
        text.pair("config", key, value);
    }
    for (key, secret) in secrets {
        match secret {
            SecretRef::Env(name) => text.pair("secrets.env", key, name),
            SecretRef::File(path) => text.pair("secrets.file", key, &path.to_string_lossy()),
        }
    }
    for arg in args {
        text.add("args", arg);
    }
    for (name, bucket) in caches {
        add_bucket(&mut text, name.as_str(), bucket);
    }
    for (name, WarmerConfig { every, required }) in warmers {
        text.pair("warmers", name.as_str(), if *required { "required" } else { "wanted" });
        text.add("warmers.every", &every.map_or(0, |every| every.as_nanos()));
    }
    for (pattern, topic) in topics {
        add_topic(&mut text, pattern, topic);
    }
    for (pattern, channel) in channels {
        add_channel(&mut text, pattern, channel);
    }
    for (name, subscriber) in subscribers {
        add_subscriber(&mut text, name.as_str(), subscriber);
    }
    add_tasks(&mut text, tasks);
    add_durable(&mut text, store, jobs);
    for (name, database) in sql {
        add_database(&mut text, name.as_str(), database);
    }
    for (kind, process) in processes {
        add_process(&mut text, kind.as_str(), process, limits);
    }
    add_limits(&mut text, limits);
    add_grants(&mut text, grants);
    text.0
}

fn add_bucket(text: &mut Text, name: &str, bucket: &CacheConfig) {
    // Whether it outlives a restart, and how, is the operator's affair: the code cannot tell, and does not see it in the store. Nor
    // can it tell who else reads and writes the bucket: a second tier only brings more of them.
    let CacheConfig { kind, entries, bytes, value_bytes, ttl, idle, stale, persist: _, write_behind: _, l2: _ } =
        bucket;
    let kind = match kind {
        CacheKind::Cache => "cache",
        CacheKind::Table => "table",
    };
    text.pair("caches", name, kind);
    if let Some(entries) = entries {
        text.add("caches.entries", entries);
    }
    text.add("caches.bytes", &bytes.0);
    text.add("caches.value_bytes", &value_bytes.0);
    for (key, time) in [("caches.ttl", ttl), ("caches.idle", idle)] {
        if let Some(time) = time {
            text.add(key, &time.as_nanos());
        }
    }
    text.add("caches.stale", &stale.as_nanos());
}

fn add_topic(text: &mut Text, pattern: &TopicPattern, topic: &TopicConfig) {
    // The code reads the log, as far as it reaches, and sees who is there. A pattern without settings is written too: it
    // hides what a wider one says.
    let TopicConfig { retain, presence } = topic;
    let presence = match presence {
        PresenceDetail::Full => "full",
        PresenceDetail::Count => "count",
    };
    text.pair("topics", &pattern.to_string(), presence);
    if let Some(Retain { messages, bytes, age }) = retain {
        text.add("topics.retain.messages", messages);
        text.add("topics.retain.bytes", &bytes.0);
        text.add("topics.retain.age", &age.as_nanos());
    }
}

fn add_channel(text: &mut Text, pattern: &TopicPattern, channel: &ChannelConfig) {
    // Another export is called, and for other events. Which sockets lead to it reaches the code as what is asked.
    let ChannelConfig { sockets: _, process, intercept } = channel;
    if let Some(kind) = process {
        text.pair("channels.process", &pattern.to_string(), kind.as_str());
    }
    for event in intercept.iter().flatten() {
        text.pair("channels.intercept", &pattern.to_string(), event);
    }
}

fn add_subscriber(text: &mut Text, name: &str, subscriber: &SubscriberConfig) {
    // The code gets several messages in a call, and gets a message again. It cannot tell how they have waited, and dead
    // letters are the operator's.
    let default = SubscriberConfig::default();
    let SubscriberConfig { queue: _, queue_bytes: _, overflow: _, batch, concurrency: _, retries, dead_letters: _ } =
        subscriber;
    if (batch, retries) != (&default.batch, &default.retries) {
        text.pair("subscribers", name, &batch.to_string());
        text.add("subscribers.retries", retries);
    }
}

fn add_tasks(text: &mut Text, tasks: &TasksConfig) {
    // The code is told when it asks for too much in a call, is cut off at the deadline and runs again. How many run and
    // wait at once depends on the moment anyhow.
    let default = TasksConfig::default();
    let TasksConfig { concurrency: _, queue: _, per_call, deadline, restart } = tasks;
    if *per_call != default.per_call {
        text.add("tasks.per_call", per_call);
    }
    if *deadline != default.deadline {
        text.add("tasks.deadline", &deadline.as_nanos());
    }
    match restart {
        TaskRestart::Temporary => {}
        TaskRestart::Transient => text.add("tasks.restart", "transient"),
    }
}

fn add_durable(text: &mut Text, store: &StoreConfig, jobs: &JobsConfig) {
    // A value is too long or it is not, and a job is cut off at its timeout. Whether the quota is used up depends on all
    // that was kept before, and an operator raises it when it is.
    let StoreConfig { quota: _, value_bytes } = store;
    if *value_bytes != StoreConfig::default().value_bytes {
        text.add("store.value_bytes", &value_bytes.0);
    }
    let JobsConfig { timeout } = jobs;
    if *timeout != JobsConfig::default().timeout {
        text.add("jobs.timeout", &timeout.as_nanos());
    }
}

fn add_database(text: &mut Text, name: &str, database: &SqlConfig) {
    // The code speaks one of two dialects, and is refused what it may not, or what takes too long or is too much. Where the
    // data is, how large it may become and who waits how long for whom is the operator's affair; and what migrations have made
    // of it is in the database, whichever revision serves.
    let SqlConfig {
        place,
        read_only,
        migrations: _,
        statement_timeout,
        transaction_timeout,
        max_rows,
        value_bytes,
        connections: _,
        queue: _,
        wait: _,
    } = database;
    let dialect = match place {
        SqlPlace::Sqlite(_) => "sqlite",
        SqlPlace::Postgres(_) => "postgres",
    };
    text.pair("sql", name, dialect);
    if *read_only {
        text.add("sql.read_only", "true");
    }
    text.add("sql.statement_timeout", &statement_timeout.as_nanos());
    text.add("sql.transaction_timeout", &transaction_timeout.as_nanos());
    text.add("sql.max_rows", max_rows);
    text.add("sql.value_bytes", &value_bytes.0);
}

fn add_process(text: &mut Text, kind: &str, process: &ProcessConfig, limits: &Limits) {
    // The code is refused what it stages and appends where nothing is committed, and is cut off over its time or fuel. It
    // cannot tell how often a snapshot is written, when it sleeps or how many there are; what the host starts is asked of it
    // as by any caller.
    let ProcessConfig {
        persistence,
        restart: _,
        supervision: _,
        mailbox: _,
        max: _,
        hibernate_after: _,
        deadline,
        fuel,
        start: _,
        strategy: _,
    } = process;
    let same_limits = (*deadline, *fuel) == (limits.deadline, limits.fuel);
    if *persistence == Persistence::None && same_limits {
        return;
    }
    text.pair("processes", kind, persistence.as_str());
    if !same_limits {
        text.add("processes.deadline", &deadline.as_nanos());
        text.add("processes.fuel", fuel);
    }
}

fn add_limits(text: &mut Text, limits: &Limits) {
    let Limits {
        fuel,
        deadline,
        stream_idle,
        stream_total,
        memory,
        host_memory,
        handles,
        concurrency,
        queue,
        // A queue of clients: the code is asked for each of them, or not at all.
        streams: _,
        request_body,
        response_body,
        response_headers,
        log,
        outbound_concurrency,
        outbound_timeout,
    } = limits;
    text.add("fuel", fuel);
    text.add("deadline", &deadline.as_nanos());
    text.add("stream_idle", &stream_idle.as_nanos());
    if let Some(total) = stream_total {
        text.add("stream_total", &total.as_nanos());
    }
    text.add("memory", &memory.0);
    text.add("host_memory", &host_memory.0);
    text.add("handles", handles);
    text.add("concurrency", concurrency);
    text.add("queue", queue);
    text.add("request_body", &request_body.0);
    text.add("response_body", &response_body.0);
    text.add("response_headers", &response_headers.0);
    text.add("log", &log.0);
    text.add("outbound_concurrency", outbound_concurrency);
    text.add("outbound_timeout", &outbound_timeout.as_nanos());
}

fn add_grants(text: &mut Text, grants: &Grants) {
    let Grants { http, http_private, plugins, files, caches, topics, store, sql, processes, sockets } = grants;
    text.set("http", http.iter().map(ToString::to_string));
    text.set("http_private", http_private.iter().map(ToString::to_string));
    text.set("plugins", plugins.iter().map(ToString::to_string));
    for FileGrant { host, guest, write } in files {
        text.pair(if *write { "files.write" } else { "files" }, guest, &host.to_string_lossy());
    }
    for (bucket, access) in caches {
        let key = match access {
            CacheAccess::Read => "grants.caches.read",
            CacheAccess::ReadWrite => "grants.caches.write",
        };
        text.add(key, bucket);
    }
    for (selector, access) in topics {
        let key = match access {
            TopicAccess::Subscribe => "grants.topics.subscribe",
            TopicAccess::Publish => "grants.topics.publish",
            TopicAccess::Both => "grants.topics.both",
        };
        text.add(key, selector);
    }
    for (selector, access) in store {
        let key = match access {
            StoreAccess::Read => "grants.store.read",
            StoreAccess::ReadWrite => "grants.store.write",
        };
        text.add(key, selector);
    }
    for (database, access) in sql {
        let key = match access {
            SqlAccess::Read => "grants.sql.read",
            SqlAccess::ReadWrite => "grants.sql.write",
        };
        text.add(key, database);
    }
    for (selector, access) in processes {
        let key = match access {
            ProcessAccess::Monitor => "grants.processes.monitor",
            ProcessAccess::Call => "grants.processes.call",
            ProcessAccess::All => "grants.processes.all",
        };
        text.add(key, selector);
    }
    text.set("grants.sockets", sockets.iter().map(ToString::to_string));
}

struct Text(String);

impl Text {
    /// A line with the value's length in front of it, so that no value can pass for several lines.
    fn add(&mut self, key: &str, value: &(impl ToString + ?Sized)) {
        let value = value.to_string();
        self.0.push_str(&format!("{key} {}:{value}\n", value.len()));
    }

    fn pair(&mut self, table: &str, key: &str, value: &str) {
        self.add(table, key);
        self.add("=", value);
    }

    /// Values whose order means nothing.
    fn set(&mut self, key: &str, values: impl Iterator<Item = String>) {
        let mut values: Vec<_> = values.collect();
        values.sort_unstable();
        values.dedup();
        values.into_iter().for_each(|value| self.add(key, &value));
    }
}
