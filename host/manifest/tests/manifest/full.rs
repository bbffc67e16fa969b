//! The golden test: every key at once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use skep_manifest::{
    Allowed, BreakerConfig, CacheAccess, CacheConfig, CacheKind, ChannelConfig, Cors, CronConfig, Durability,
    FileGrant, Grants, HostConfig, HostJobsConfig, HostProcessesConfig, HostStoreConfig, HttpConfig, JobsConfig,
    Longpoll, Missed, Overflow, Persistence, PluginConfig, PostgresConfig, PostgresUrl, PresenceDetail,
    ProbationConfig, ProcessAccess, ProcessConfig, ProcessRestart, QueueConfig, QueueRate, RateKey, RateLimit, Ratio,
    Retain, Route, SecondTier, SecondTierUrl, SecretRef, SocketConfig, SocketConnect, SocketLimits, SocketOrigins,
    SocketOverflow, SqlAccess, SqlConfig, SqlPlace, SqliteConfig, SseConfig, SseOpen, StaticProcess, StoreAccess,
    StoreConfig, StorePostgres, Strategy, StreamOverflow, SubscriberConfig, SupervisionConfig, TaskRestart,
    TasksConfig, Tls, TopicAccess, TopicConfig, WarmerConfig, WebSocketConfig, WriteBehind,
};
use skep_types::{BucketName, ByteSize, DatabaseName, HandlerName, Instances, Limits, TopicName};

use crate::{name, parse};

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

fn database(name: &str) -> DatabaseName {
    DatabaseName::new(name).unwrap()
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn handler(name: &str) -> HandlerName {
    HandlerName::new(name).unwrap()
}

fn socket() -> SocketConfig {
    let origins = ["https://app.example.org", "https://*.example.org:8443"].map(|origin| origin.parse().unwrap());
    SocketConfig {
        connect: SocketConnect::Anyone,
        headers: strings(["user-agent", "cookie"]),
        limits: SocketLimits {
            origins: SocketOrigins::Only(origins.to_vec()),
            frame: ByteSize::kib(128),
            idle_timeout: Duration::from_secs(120),
            messages_per_second: 50,
            messages_burst: 60,
            queue: 100,
            queue_bytes: ByteSize::kib(64),
            assigns: ByteSize::kib(2),
        },
        channels: 10,
        joins_per_second: 3,
        joins_burst: 4,
        overflow: SocketOverflow::DropBroadcasts,
        longpoll: Some(Longpoll { window: Duration::from_secs(5) }),
    }
}

#[test]
fn a_full_manifest_is_read_to_the_last_key() {
    let manifest = parse(include_str!("full.toml")).unwrap();
    let host = HostConfig {
        name: "node-1".into(),
        listen: vec!["0.0.0.0:8080".parse().unwrap(), "[::]:8080".parse().unwrap()],
        admin: "10.0.0.5:9090".parse().unwrap(),
        admin_public: true,
        admin_token: Some(SecretRef::File("/srv/skep/secrets/admin".into())),
        data: "/srv/skep/var".into(),
        instances: 50,
        cache_memory: ByteSize::mib(1024),
        topic_memory: ByteSize::mib(32),
        drain: Duration::from_secs(90),
        keep_revisions: 3,
        access_log: true,
        tls: Some(Tls { cert: "/srv/skep/tls/cert.pem".into(), key: "/etc/tls/key.pem".into() }),
        http: HttpConfig {
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(30),
            max_connections: 500,
            max_headers: 64,
            max_header_bytes: ByteSize::kib(32),
            max_streams: 100,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()],
        },
        store: HostStoreConfig {
            durability: Durability::Normal,
            postgres: Some(StorePostgres {
                server: PostgresConfig {
                    url: PostgresUrl::Written("postgres://skep@db.internal/skep?sslmode=verify-full".to_owned()),
                    password: Some(SecretRef::Env("STORE_PASSWORD".into())),
                },
                schema: "plugins".to_owned(),
                pooled: true,
                readers: 4,
            }),
        },
        jobs: HostJobsConfig {
            keep_completed: Duration::from_secs(600),
            keep_failed: Duration::from_secs(30 * 24 * 3600),
            lease: Duration::from_secs(3),
            shutdown_grace: Duration::from_secs(5),
        },
        processes: HostProcessesConfig { live: Some(500), state_memory: ByteSize::mib(256), max: 50_000 },
    };
    assert_eq!(manifest.host, host);
    assert!(host.http.trusts("::ffff:10.9.9.9".parse().unwrap()));
    assert!(!host.http.trusts("192.168.0.1".parse().unwrap()));

    let web = &manifest.plugins[&name("web")];
    let mut y: Route = "GET *.example.org/y".parse().unwrap();
    y.methods = Some(strings(["GET", "HEAD"]));
    let mut put: Route = "PUT /y".parse().unwrap();
    let by = RateKey::Header("x-api-key".into());
    put.rate_limit = Some(RateLimit { requests: 10, per: Duration::from_secs(60), burst: 3, by });
    let mut events: Route = "GET /events/{kind}/{*rest}".parse().unwrap();
    events.sse = Some(SseConfig::new("{kind}:{rest}".parse().unwrap()));
    let mut order: Route = "GET /orders/{id}/events".parse().unwrap();
    order.sse = Some(SseConfig {
        topic: "orders:{id}".parse().unwrap(),
        open: SseOpen::Anyone,
        keep_alive: Duration::from_secs(30),
        queue: 10,
        queue_bytes: ByteSize::kib(64),
        overflow: StreamOverflow::DropOldest,
        retry: Some(Duration::from_secs(2)),
    });
    let retained = Retain { messages: 50, bytes: ByteSize::mib(2), age: Duration::from_secs(600) };
    let counted = TopicConfig { retain: Some(retained), presence: PresenceDetail::Count };
    let kept = TopicConfig { retain: Some(Retain::default()), presence: PresenceDetail::Full };
    let mail = SubscriberConfig {
        queue: 20,
        queue_bytes: ByteSize::mib(1),
        overflow: Overflow::DropNewest,
        batch: 5,
        concurrency: 3,
        retries: 4,
        dead_letters: 0,
    };
    let mut raw: Route = "GET /raw".parse().unwrap();
    raw.websocket = Some(WebSocketConfig::default());
    let mut raw_one: Route = "GET /raw/{id}".parse().unwrap();
    raw_one.websocket = Some(WebSocketConfig {
        limits: SocketLimits {
            origins: SocketOrigins::Any,
            frame: ByteSize::mib(1),
            idle_timeout: Duration::from_secs(300),
            messages_per_second: 5,
            messages_burst: 6,
            queue: 20,
            queue_bytes: ByteSize::kib(2),
            assigns: ByteSize::kib(4),
        },
    });
    let mut delete: Route = "DELETE /y".parse().unwrap();
    let second = |requests| RateLimit { requests, per: Duration::from_secs(1), burst: requests, by: RateKey::Client };
    delete.rate_limit = Some(second(1));
    let sessions = CacheConfig {
        kind: CacheKind::Table,
        entries: Some(1000),
        bytes: ByteSize::mib(8),
        value_bytes: ByteSize::kib(64),
        ttl: Some(Duration::from_secs(3600)),
        idle: Some(Duration::from_secs(600)),
        stale: Duration::from_secs(30),
        persist: true,
        write_behind: None,
        l2: None,
    };
    let minutely = Some(QueueRate { jobs: 100, per: Duration::from_secs(60) });
    let mail_queue = QueueConfig { concurrency: 3, global_concurrency: Some(5), rate_limit: minutely, paused: false };
    let sweep = CronConfig {
        schedule: "@hourly".into(),
        time_zone: "UTC".into(),
        job: handler("sweep"),
        args: "{}".into(),
        queue: None,
        missed: Missed::Once,
    };
    let nightly = CronConfig {
        schedule: "0 3 * * *".into(),
        time_zone: "Europe/Berlin".into(),
        job: handler("report"),
        args: r#"{"days":7,"factor":0.5,"full":true,"kinds":["a","b"],"since":"2024-02-29"}"#.into(),
        queue: Some(handler("slow_1")),
        missed: Missed::All,
    };
    let beat = CronConfig {
        schedule: "*/10 * * * *".into(),
        job: handler("beat"),
        args: "5".into(),
        missed: Missed::Skip,
        ..sweep.clone()
    };
    // What a kind leaves away is what the plugin says, wherever in the file that stands.
    let plain = ProcessConfig::of(&web.limits, web.supervision);
    let cart = ProcessConfig {
        persistence: Persistence::Snapshot { every_messages: number(50), every: Duration::from_secs(2) },
        restart: ProcessRestart::Permanent,
        supervision: SupervisionConfig {
            restarts: 1,
            within: Duration::from_secs(1),
            backoff: Duration::from_secs(5),
            backoff_max: Duration::from_secs(20),
            healthy: Duration::from_secs(10),
            rounds: 2,
        },
        mailbox: number(10),
        max: 1000,
        hibernate_after: Some(Duration::from_secs(60)),
        deadline: Duration::from_millis(500),
        fuel: 1000,
        start: vec![
            StaticProcess { name: "main".into(), args: "null".into() },
            StaticProcess { name: "eu/1".into(), args: r#"{"region":"eu","sizes":[1,2]}"#.into() },
        ],
        strategy: Strategy::RestForOne,
    };
    let game = ProcessConfig {
        persistence: Persistence::EventLog { snapshot_every: number(20) },
        restart: ProcessRestart::Temporary,
        hibernate_after: None,
        ..plain.clone()
    };
    let ledger = ProcessConfig { persistence: Persistence::Durable, ..plain.clone() };
    let routes = ["GET /", "/x/{id}", "POST api.example.org/v1/{*rest}"].map(|route| route.parse().unwrap());
    let main = SqlConfig {
        place: SqlPlace::Sqlite(SqliteConfig { max_size: ByteSize::mib(64), durability: Durability::Normal }),
        read_only: false,
        migrations: Some("/srv/skep/migrations".into()),
        statement_timeout: Duration::from_millis(250),
        transaction_timeout: Duration::from_secs(2),
        max_rows: 500,
        value_bytes: ByteSize::mib(2),
        connections: number(2),
        queue: 50,
        wait: Duration::from_millis(100),
    };
    let crm = PostgresConfig {
        url: PostgresUrl::Written(
            "postgres://app@db.example:5433/crm?sslmode=verify-full&sslrootcert=/etc/crm.pem".into(),
        ),
        password: Some(SecretRef::Env("CRM_PASSWORD".into())),
    };
    let crm = SqlConfig { place: SqlPlace::Postgres(crm), read_only: true, ..SqlConfig::default() };
    let far = PostgresUrl::Secret(SecretRef::File("/srv/skep/secrets/far".into()));
    let far_away = PostgresConfig { url: far, password: None };
    let expected = PluginConfig {
        source: "/srv/skep/web.wasm".into(),
        build: Some("cargo build --release".into()),
        needs: strings(["node"]),
        watch: web.watch.clone(),
        routes: routes.into_iter().chain([y, put, events, order, delete, raw, raw_one]).collect(),
        instances: Instances::Reuse(1000),
        env: texts([("PORT", "8080"), ("MODE", "fast")]),
        config: texts([("debug", "true"), ("greeting", "hi")]),
        secrets: BTreeMap::from([
            ("DB_PASSWORD".into(), SecretRef::Env("DB".into())),
            ("API".into(), SecretRef::File("/srv/skep/secrets/api".into())),
        ]),
        args: strings(["web", "--verbose"]),
        compression: true,
        cors: Some(Cors {
            origins: Allowed::Only(strings(["https://app.example.org", "http://localhost:3000"])),
            methods: Allowed::Any,
            headers: Allowed::Only(strings(["content-type"])),
            credentials: false,
            max_age: Duration::from_secs(3600),
        }),
        rate_limit: Some(second(100)),
        caches: BTreeMap::from([(bucket("pages"), CacheConfig::default()), (bucket("sessions_2"), sessions)]),
        warmers: BTreeMap::from([
            (bucket("catalogue"), WarmerConfig { every: Some(Duration::from_secs(600)), required: true }),
            (bucket("once"), WarmerConfig::default()),
        ]),
        topics: BTreeMap::from([
            ("orders:*".parse().unwrap(), counted),
            ("orders:all".parse().unwrap(), kept),
            ("orders:secret".parse().unwrap(), TopicConfig::default()),
            ("*".parse().unwrap(), TopicConfig::default()),
        ]),
        sockets: BTreeMap::from([
            ("/socket".parse().unwrap(), socket()),
            ("/plain".parse().unwrap(), SocketConfig::default()),
            (
                "app.example.org/live".parse().unwrap(),
                SocketConfig {
                    channels: 400,
                    joins_burst: 800,
                    longpoll: Some(Longpoll { window: Duration::from_secs(10) }),
                    ..SocketConfig::default()
                },
            ),
        ]),
        channels: BTreeMap::from([
            (
                "room:*".parse().unwrap(),
                ChannelConfig {
                    sockets: Some(vec!["/socket".parse().unwrap(), "other/chat".parse().unwrap()]),
                    process: Some(handler("room_1")),
                    intercept: Some(strings(["new_msg", "typing"])),
                },
            ),
            ("room:lobby".parse().unwrap(), ChannelConfig::default()),
        ]),
        subscribers: BTreeMap::from([(handler("mail_1"), mail), (handler("plain"), SubscriberConfig::default())]),
        tasks: TasksConfig {
            concurrency: 4,
            queue: 0,
            per_call: 20,
            deadline: Duration::from_secs(30),
            restart: TaskRestart::Transient,
        },
        store: StoreConfig { quota: ByteSize::mib(64), value_bytes: ByteSize::kib(256) },
        sql: BTreeMap::from([
            (database("crm_1"), crm),
            (database("far"), SqlConfig { place: SqlPlace::Postgres(far_away), ..SqlConfig::default() }),
            (database("main"), main),
            (database("plain"), SqlConfig::default()),
        ]),
        jobs: JobsConfig { timeout: Duration::from_secs(90) },
        queues: BTreeMap::from([
            (handler("mail"), mail_queue),
            (handler("slow_1"), QueueConfig { paused: true, ..QueueConfig::default() }),
            (handler("plain"), QueueConfig::default()),
        ]),
        cron: BTreeMap::from([(handler("nightly"), nightly), (handler("sweep"), sweep), (handler("beat"), beat)]),
        processes: BTreeMap::from([
            (handler("cart"), cart),
            (handler("game_1"), game),
            (handler("ledger"), ledger),
            (handler("plain"), plain),
        ]),
        supervision: SupervisionConfig {
            restarts: 5,
            within: Duration::from_secs(10),
            backoff: Duration::from_secs(2),
            backoff_max: Duration::from_secs(30),
            healthy: Duration::from_secs(120),
            rounds: 4,
        },
        breaker: BreakerConfig {
            enabled: false,
            ratio: Ratio::new(0.25).unwrap(),
            calls: 40,
            window: Duration::from_secs(20),
            clients: 3,
            cool_down: Duration::from_secs(1),
            cool_down_max: Duration::from_secs(10),
        },
        probation: ProbationConfig { enabled: false, time: Duration::from_secs(300), calls: 100 },
        limits: Limits {
            fuel: 5_000_000,
            deadline: Duration::from_secs(2),
            stream_idle: Duration::from_millis(500),
            stream_total: Some(Duration::from_secs(600)),
            memory: ByteSize::mib(64),
            host_memory: ByteSize::mib(1),
            handles: 100,
            concurrency: 7,
            queue: 0,
            streams: 20,
            request_body: ByteSize(1024),
            response_body: ByteSize::mib(1024),
            response_headers: ByteSize::kib(8),
            log: ByteSize(1000),
            outbound_concurrency: 2,
            outbound_timeout: Duration::from_millis(1500),
        },
        grants: Grants {
            http: ["https://api.example.org", "http://*.internal.example:8080", "https://*"]
                .map(|origin| origin.parse().unwrap())
                .to_vec(),
            http_private: vec!["10.1.0.0/16".parse().unwrap()],
            plugins: vec![name("other")],
            files: vec![
                FileGrant { host: "/srv/skep/public".into(), guest: "/public".into(), write: true },
                FileGrant { host: "/srv".into(), guest: "/".into(), write: false },
            ],
            caches: BTreeMap::from([
                ("other/counts".parse().unwrap(), CacheAccess::Read),
                ("other/shared".parse().unwrap(), CacheAccess::ReadWrite),
            ]),
            topics: BTreeMap::from([
                ("other/orders:*".parse().unwrap(), TopicAccess::Subscribe),
                ("other/mail".parse().unwrap(), TopicAccess::Publish),
                ("other/*".parse().unwrap(), TopicAccess::Both),
            ]),
            sql: BTreeMap::from([
                ("other/books".parse().unwrap(), SqlAccess::Read),
                ("other/notes".parse().unwrap(), SqlAccess::ReadWrite),
            ]),
            store: BTreeMap::from([
                ("other/catalog:*".parse().unwrap(), StoreAccess::Read),
                ("other/cart".parse().unwrap(), StoreAccess::ReadWrite),
                ("other/*".parse().unwrap(), StoreAccess::Read),
            ]),
            processes: BTreeMap::from([
                ("other/cart:*".parse().unwrap(), ProcessAccess::Call),
                ("other/main".parse().unwrap(), ProcessAccess::Monitor),
                ("other/*".parse().unwrap(), ProcessAccess::All),
            ]),
            sockets: vec!["other/chat".parse().unwrap()],
        },
    };
    assert_eq!(*web, expected);
    // The most exact pattern of a topic counts, and it alone.
    for (topic, settings) in [
        ("orders:7", counted),
        ("orders:all", kept),
        ("orders:secret", TopicConfig::default()),
        ("news", TopicConfig::default()),
    ] {
        assert_eq!(web.topic(&TopicName::new(topic).unwrap()), settings, "{topic}");
    }
    assert_eq!(web.subscriber(&handler("mail_1")), mail);
    assert_eq!(web.subscriber(&handler("another")), SubscriberConfig::default());
    assert_eq!(web.queue(&handler("mail")), mail_queue);
    assert_eq!(web.queue(&handler("another")), QueueConfig::default());
    assert_eq!(web.watch.patterns(), ["src/**", "./Cargo.toml", "assets"]);
    for (file, watched) in [
        ("src/a/b.rs", true),
        ("Cargo.toml", true),
        ("assets/x/y.png", true),
        ("target/a.rs", false),
        ("a/Cargo.toml", false),
    ] {
        assert_eq!(web.watch.matches(Path::new(file)), watched, "{file}");
    }
    // A bucket that is smaller than the default of its values bounds them.
    let shared = CacheConfig { bytes: ByteSize::kib(64), value_bytes: ByteSize::kib(64), ..CacheConfig::default() };
    let behind = |ms| CacheConfig {
        kind: CacheKind::Table,
        write_behind: Some(WriteBehind { every: Duration::from_millis(ms) }),
        ..CacheConfig::default()
    };
    let far = SecondTier { url: SecondTierUrl::Written("redis://cache/1".into()), ..SecondTier::default() };
    let farther = SecondTier {
        url: SecondTierUrl::Written("rediss://cache:6380".into()),
        username: Some("skep".into()),
        password: Some(SecretRef::Env("REDIS_PASSWORD".into())),
        ca: Some("/srv/skep/redis-ca.pem".into()),
        prefix: "staging".into(),
        fresh: Duration::ZERO,
        timeout: Duration::from_millis(20),
        in_flight: 1000,
    };
    let other = PluginConfig {
        sockets: BTreeMap::from([("/chat".parse().unwrap(), SocketConfig::default())]),
        caches: BTreeMap::from([
            (bucket("behind"), behind(500)),
            (bucket("counts"), CacheConfig::default()),
            (bucket("far"), CacheConfig { l2: Some(far), ..CacheConfig::default() }),
            (bucket("farther"), CacheConfig { l2: Some(farther), ..CacheConfig::default() }),
            (bucket("never"), CacheConfig { persist: true, ..CacheConfig::default() }),
            (bucket("shared"), shared),
            (bucket("soon"), behind(1000)),
        ]),
        sql: BTreeMap::from([
            (database("books"), SqlConfig { read_only: true, ..SqlConfig::default() }),
            (database("notes"), SqlConfig::default()),
        ]),
        ..PluginConfig::new("/srv/skep/other.wasm".into())
    };
    assert_eq!(manifest.plugins[&name("other")], other);
}
