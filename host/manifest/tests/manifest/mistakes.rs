//! What is said about mistakes.

use skep_manifest::{Error, Problem};

use crate::parse;

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "[host]\nlistn = 'x'\n\n[plugins.web]\nroutes = [\n  '/a',\n  'b',\n]\n[plugins.web.limits]\nfule = 1\nqueue = -1";
    let error = parse(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "skep.toml has 5 problems\n  \
         line 2: host.listn: unknown key, did you mean `listen`?\n  \
         line 4: plugins.web.source: missing; write the path of the plugin's component, a .wasm file\n  \
         line 7: plugins.web.routes[1]: a path must start with `/`: write `/b`\n  \
         line 10: plugins.web.limits.fule: unknown key, did you mean `fuel`?\n  \
         line 11: plugins.web.limits.queue: cannot be negative"
    );
}

#[test]
fn a_syntax_error_has_line_and_column() {
    let error = parse("[host]\nname = \n").unwrap_err().to_string();
    assert!(error.starts_with("skep.toml is not valid TOML\nTOML parse error at line 2, column 8"), "{error}");
    assert!(parse("[host]\nname = 'a'\nname = 'b'").unwrap_err().to_string().contains("duplicate key"));
}

#[test]
fn a_secret_written_into_the_manifest_is_not_echoed() {
    let error = parse("[plugins.a]\nsource = 'a.wasm'\nsecrets = { KEY = 'hunter2' }").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// A plugin `a` with more keys.
pub(crate) fn plugin(more: &str) -> String {
    format!("[plugins.a]\nsource = 'a.wasm'\n{more}")
}

/// Checks that the text has exactly one problem, and what is said about it.
#[track_caller]
pub(crate) fn check(text: &str, expected: &str) {
    match parse(text) {
        Err(Error::Invalid { problems, .. }) => {
            let said: Vec<_> =
                problems.iter().map(|Problem { path, message, .. }| format!("{path}: {message}")).collect();
            assert!(matches!(&said[..], [one] if one.starts_with(expected)), "expected {expected:?}, got {said:#?}");
        }
        other => panic!("expected {expected:?}, got {other:#?}"),
    }
}

#[test]
fn unknown_keys_have_a_path_and_a_suggestion() {
    for (text, expected) in [
        ("plugin = 1", "plugin: unknown key, did you mean `plugins`?"),
        ("listen = '127.0.0.1:1'", "listen: unknown key, did you mean `host.listen`?"),
        ("host.tsl.cert = 'x'", "host.tsl: unknown key, did you mean `tls`?"),
        ("host.max_headers = 20", "host.max_headers: unknown key, did you mean `http.max_headers`?"),
        ("host.http.keepalive = '1s'", "host.http.keepalive: unknown key, did you mean `keep_alive`?"),
        ("host.tls = { cert = 'a', key = 'b', ca = 'c' }", "host.tls.ca: unknown key, the keys here are `cert`, `key`"),
        ("host.admin_token = { env = 'A', fil = 'b' }", "host.admin_token.fil: unknown key, did you mean `file`?"),
        (&plugin("route = ['/']"), "plugins.a.route: unknown key, did you mean `routes`?"),
        (&plugin("deadline = '1s'"), "plugins.a.deadline: unknown key, did you mean `limits.deadline`?"),
        (&plugin("files = []"), "plugins.a.files: unknown key, did you mean `grants.files`?"),
        (&plugin("cors = { origin = ['*'], origins = ['*'] }"), "plugins.a.cors.origin: unknown key, did you mean"),
        (
            &plugin("limits.stream-idle = '1s'"),
            "plugins.a.limits.stream-idle: unknown key, did you mean `stream_idle`?",
        ),
        (&plugin("grants.https = []"), "plugins.a.grants.https: unknown key, did you mean `http`?"),
        (
            &plugin("grants.files = [{ host = 'a', guest = '/a', writ = true }]"),
            "plugins.a.grants.files[0].writ: unknown",
        ),
        (
            &plugin("routes = [{ path = '/', hots = 'a' }]"),
            "plugins.a.routes[0].hots: unknown key, did you mean `host`?",
        ),
        (&plugin("instances = { reuse = 1, 'r e' = 2 }"), "plugins.a.instances.\"r e\": unknown key"),
    ] {
        check(text, expected);
    }
}

#[test]
fn mistakes_in_host_are_explained() {
    for (text, expected) in [
        ("host = 1", "host: expected a table, found a whole number"),
        ("host.name = ''", "host.name: must be 1 to 63 letters"),
        (
            "host.listen = 'localhost:80'",
            "host.listen: `localhost:80` is not an address: write an IP address and a port",
        ),
        ("host.listen = ['127.0.0.1:80', ':80']", "host.listen[1]: `:80` is not an address"),
        ("host.listen = []", "host.listen: is empty"),
        ("host.listen = ['127.0.0.1:80', '127.0.0.1:80']", "host.listen: has `127.0.0.1:80` twice"),
        ("host.listen = '127.0.0.1:9090'", "host.admin: `127.0.0.1:9090` is in `listen` too"),
        (
            "host.admin = '0.0.0.0:9090'",
            "host.admin: `0.0.0.0:9090` can be reached from other machines: use 127.0.0.1, or",
        ),
        ("host.admin_token = 'abc'", "host.admin_token: a secret is a reference"),
        ("host.admin_token = {}", "host.admin_token: write exactly one of"),
        ("host.instances = 0", "host.instances: must be at least 1"),
        ("host.instances = 5_000_000_000", "host.instances: must be at most 4294967295"),
        ("host.keep_revisions = 0", "host.keep_revisions: must be at least 1"),
        ("host.drain = 30", "host.drain: expected a duration such as \"10s\", found a whole number"),
        ("host.drain = '30'", "host.drain: `30` is not a duration: write whole numbers with ms, s, m or h"),
        ("host.access_log = 'yes'", "host.access_log: expected true or false, found a string"),
        ("host.tls = { cert = 'a' }", "host.tls.key: missing; a certificate and its key come together"),
        ("host.http.max_header_bytes = '1KiB'", "host.http.max_header_bytes: must be at least 8 KiB"),
        ("host.http.trusted_proxies = ['10.0.0.0/33']", "host.http.trusted_proxies[0]: `10.0.0.0/33` is not a network"),
        ("host.data = ''", "host.data: is empty"),
        (&plugin("limits.deadline = '45s'"), "host.drain: 30s is below the deadline of plugin `a`, 45s"),
    ] {
        check(text, expected);
    }
}

#[test]
fn mistakes_in_plugins_are_explained() {
    for (text, expected) in [
        ("plugins = []", "plugins: expected a table for each plugin, `[plugins.NAME]`, found an array"),
        ("[plugins.web]", "plugins.web.source: missing"),
        (
            "plugins.My_Web.source = 'a'",
            "plugins.My_Web: `My_Web` is not a plugin name: use 1 to 63 lower-case letters",
        ),
        ("plugins.'ä b'.source = 'a'", "plugins.\"ä b\": `ä b` is not a plugin name"),
        (&plugin("build = ' '"), "plugins.a.build: is empty"),
        (&plugin("watch = ['a[']"), "plugins.a.watch[0]: not a glob"),
        (&plugin("watch = ['../lib']"), "plugins.a.watch[0]: must name files below"),
        (&plugin("watch = 'src'"), "plugins.a.watch: expected an array, found a string"),
        (&plugin("instances = 'warm'"), "plugins.a.instances: `warm` is not known here; write \"fresh\" or { reuse ="),
        (&plugin("instances = { reuse = 0 }"), "plugins.a.instances.reuse: must be at least 1"),
        (&plugin("instances = {}"), "plugins.a.instances.reuse: missing"),
        (
            &plugin("env = { A = 1.5 }"),
            "plugins.a.env.A: expected a string, a whole number, true or false, found a fraction",
        ),
        (&plugin("env = { 'A=B' = '' }"), "plugins.a.env.\"A=B\": is not the name"),
        (&plugin("env = { A = \"\\u0000\" }"), "plugins.a.env.A: cannot contain a NUL"),
        (&plugin("secrets = { A-B = { env = 'A' } }"), "plugins.a.secrets.A-B: must be letters"),
        (&plugin("secrets = { A = { env = 'A' } }\nenv = { A = '' }"), "plugins.a.secrets.A: is in `env` too"),
        (&plugin("secrets = { A = { env = 'A', file = 'b' } }"), "plugins.a.secrets.A: write exactly one of"),
        (&plugin("cors = {}"), "plugins.a.cors.origins: missing"),
        (&plugin("cors = { origins = ['https://*.a.org'] }"), "plugins.a.cors.origins[0]: must be one origin"),
        (&plugin("cors = { origins = ['*'], credentials = true }"), "plugins.a.cors.origins: browsers refuse `*`"),
        (
            &plugin("cors = { origins = ['https://a.org'], methods = ['get'] }"),
            "plugins.a.cors.methods[0]: methods are",
        ),
        (
            &plugin("cors = { origins = ['https://a.org'], headers = ['a b'] }"),
            "plugins.a.cors.headers[0]: is not a header",
        ),
        (&plugin("limits.fuel = 0"), "plugins.a.limits.fuel: must be at least 1"),
        (&plugin("limits.fuel = '1'"), "plugins.a.limits.fuel: expected a whole number, found a string"),
        (&plugin("limits.deadline = '0s'"), "plugins.a.limits.deadline: must be at least 1ms"),
        (&plugin("limits.stream_total = '0s'"), "plugins.a.limits.stream_total: must be at least 1ms"),
        (&plugin("limits.stream_total = 'never'"), "plugins.a.limits.stream_total: `never` is not a duration"),
        (&plugin("limits.memory = '5GiB'"), "plugins.a.limits.memory: must be at most 4 GiB"),
        (&plugin("limits.memory = '64 megs'"), "plugins.a.limits.memory: `64 megs` is not a size"),
        (&plugin("limits.concurrency = 0"), "plugins.a.limits.concurrency: must be at least 1"),
        (
            &plugin("grants.http = ['api.example.org']"),
            "plugins.a.grants.http[0]: `api.example.org` must start with `http://`",
        ),
        (&plugin("grants.http_private = ['10.1.x']"), "plugins.a.grants.http_private[0]: `10.1.x` is not a network"),
        (&plugin("grants.plugins = ['aa']"), "plugins.a.grants.plugins[0]: there is no plugin `aa`, did you mean `a`?"),
        (&plugin("grants.plugins = ['A']"), "plugins.a.grants.plugins[0]: `A` is not a plugin name"),
        (&plugin("grants.files = [{ host = 'a' }]"), "plugins.a.grants.files[0].guest: missing"),
        (&plugin("grants.files = [{ host = 'a', guest = 'a' }]"), "plugins.a.grants.files[0].guest: must be absolute"),
        (&plugin("grants.files = [{ host = 'a', guest = '/a/../b' }]"), "plugins.a.grants.files[0].guest: cannot have"),
        (
            &plugin("grants.files = [{ host = 'a', guest = '/a' }, { host = 'b', guest = '/a/' }]"),
            "plugins.a.grants.files[1].guest: `/a` is granted twice",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn mistakes_in_route_tables_are_explained() {
    for (route, expected) in [
        ("1", ": expected a route such as"),
        ("{ host = 'a.org' }", ": has no `path`"),
        ("{ path = 'x' }", ".path: a path must start with `/`: write `/x`"),
        ("{ path = '/', host = 'a.org:80' }", ".host: `a.org:80` has a port"),
        ("{ path = '/', method = 'get' }", ".method: `get` is not a method"),
        ("{ path = '/', methods = ['GET', 'x'] }", ".methods[1]: `x` is not a method"),
        ("{ path = '/', methods = [] }", ": `methods` is empty"),
        ("{ path = '/', method = 'GET', methods = ['PUT'] }", ": has both `method` and `methods`"),
    ] {
        check(&plugin(&format!("routes = [{route}]")), &format!("plugins.a.routes[0]{expected}"));
    }
}

#[test]
fn mistakes_in_warmers_are_explained() {
    for (more, expected) in [
        (
            "warmers = ['x']",
            "warmers: expected a table for each warmer, `[plugins.NAME.warmers.WARMER]`, found an array",
        ),
        ("warmers.'A b' = {}", "warmers.\"A b\": `A b` is not a name: 1 to 64 lower-case letters, digits, `-` and `_`"),
        ("warmers.x.evry = '1s'", "warmers.x.evry: unknown key, did you mean `every`?"),
        ("warmers.x.every = '10ms'", "warmers.x.every: must be at least 100ms"),
        ("warmers.x.required = 1", "warmers.x.required: expected true or false"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
}

#[test]
fn mistakes_in_topics_are_explained() {
    for (more, expected) in [
        (
            "topics = 'x'",
            "topics: expected a table for each pattern of topics, `[plugins.NAME.topics.\"orders:*\"]`, found",
        ),
        ("topics.'a*b' = {}", "topics.\"a*b\": `a*b` is not a pattern of topics: `*` can only be its last character"),
        ("topics.'' = {}", "topics.\"\": `` is not a topic: use 1 to 255 bytes"),
        ("topics.'a/x' = {}", "topics.\"a/x\": topics here are the plugin's own: leave `a/` away"),
        ("topics.x = true", "topics.x: expected a table, found true or false"),
        ("topics.x.retian = true", "topics.x.retian: unknown key, did you mean `retain`?"),
        ("topics.x.retain = 5", "topics.x.retain: expected true, or a table such as { messages = 1000, bytes ="),
        ("topics.x.retain = { mesages = 5 }", "topics.x.retain.mesages: unknown key, did you mean `messages`?"),
        ("topics.x.retain.messages = 0", "topics.x.retain.messages: must be at least 1"),
        ("topics.x.retain.messages = 1_000_001", "topics.x.retain.messages: must be at most 1000000"),
        ("topics.x.retain.bytes = 1023", "topics.x.retain.bytes: must be at least 1 KiB"),
        ("topics.x.retain.bytes = '2GiB'", "topics.x.retain.bytes: must be at most 1 GiB"),
        (
            "topics.x.retain.bytes = '65MiB'",
            "topics.x.retain.bytes: a log of 65 MiB does not fit into `host.topic_memory`, 64 MiB, which is for those of all",
        ),
        ("topics.x.retain.age = '10ms'", "topics.x.retain.age: must be at least 1s"),
        ("topics.x.presence = 'list'", "topics.x.presence: `list` is not known here; write \"full\" or \"count\""),
        ("topics.x.presence = true", "topics.x.presence: expected \"full\" or \"count\", found true or false"),
        ("topic.x = {}", "topic: unknown key, did you mean `topics`?"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
    let none = "host.topic_memory = 0\n";
    check(&format!("{none}{}", plugin("topics.x.retain = true")), "plugins.a.topics.x.retain.bytes: a log of 1 MiB");
    assert!(parse(&format!("{none}{}", plugin("topics.x.retain = false"))).is_ok());
    check("host.topic_memory = '1TiB'", "host.topic_memory: `1TiB` is not a size");
}

#[test]
fn mistakes_in_grants_of_topics_are_explained() {
    for (more, expected) in [
        ("['b/*']", ": expected a table such as { \"shop/orders:*\" = \"subscribe\" }, found an array"),
        ("{ 'b/*' = 'read' }", ".\"b/*\": `read` is not known here; write \"subscribe\", \"publish\" or \"both\""),
        ("{ 'b/*' = true }", ".\"b/*\": expected \"subscribe\", \"publish\" or \"both\", found true or false"),
        (
            "{ 'orders:*' = 'both' }",
            ".\"orders:*\": `orders:*` names no plugin: write it and its topics, as in \"shop/orders:*\"",
        ),
        ("{ 'b' = 'both' }", ".b: `b` names no plugin: write it and"),
        ("{ 'B/x' = 'both' }", ".\"B/x\": a topic of another plugin is written as \"plugin/topic\"; `B` is not"),
        ("{ 'b/' = 'both' }", ".\"b/\": `` is not a topic: use 1 to 255 bytes"),
        ("{ 'b/a*b' = 'both' }", ".\"b/a*b\": `a*b` is not a pattern of topics"),
        ("{ 'a/*' = 'both' }", ".\"a/*\": not needed: a plugin's own topics are open to it"),
        ("{ 'shap/x:*' = 'both' }", ".\"shap/x:*\": there is no plugin `shap`, did you mean `shop/x:*`?"),
        ("{ 'nobody/x' = 'both' }", ".\"nobody/x\": there is no plugin `nobody`"),
    ] {
        let text = plugin(&format!("grants.topics = {more}\n[plugins.shop]\nsource = 's'"));
        check(&text, &format!("plugins.a.grants.topics{expected}"));
    }
}

#[test]
fn mistakes_in_subscribers_are_explained() {
    for (more, expected) in [
        (
            " = ['x']",
            ": expected a table for each subscription, `[plugins.NAME.subscribers.SUBSCRIPTION]`, found an array",
        ),
        (".'A b' = {}", ".\"A b\": `A b` is not a handler's name: use 1 to 64 lower-case letters, digits, `-` and `_`"),
        (".x.ques = 1", ".x.ques: unknown key, did you mean `queue`?"),
        (".x.queue = 0", ".x.queue: must be at least 1"),
        (".x.queue = 1_000_001", ".x.queue: must be at most 1000000"),
        (".x.queue_bytes = '1B'", ".x.queue_bytes: must be at least 1 KiB"),
        (".x.queue_bytes = '2GiB'", ".x.queue_bytes: must be at most 1 GiB"),
        (".x.overflow = 'close'", ".x.overflow: `close` is not known here; write \"drop-oldest\" or \"drop-newest\""),
        (".x.batch = 0", ".x.batch: must be at least 1"),
        (".x.batch = 1001", ".x.batch: must be at most 1000"),
        (".x = { queue = 10, batch = 11 }", ".x.batch: must be at most 10"),
        (".x.concurrency = 0", ".x.concurrency: must be at least 1"),
        (".x.concurrency = 1001", ".x.concurrency: must be at most 1000"),
        (".x.retries = 11", ".x.retries: must be at most 10"),
        (".x.dead_letters = 10_001", ".x.dead_letters: must be at most 10000"),
        (".x.dead_letters = -1", ".x.dead_letters: cannot be negative"),
    ] {
        check(&plugin(&format!("subscribers{more}")), &format!("plugins.a.subscribers{expected}"));
    }
}

#[test]
fn mistakes_in_tasks_and_supervision_are_explained() {
    for (more, expected) in [
        ("tasks = 5", "tasks: expected a table, found a whole number"),
        ("tasks.concurrency = 0", "tasks.concurrency: must be at least 1"),
        ("tasks.concurrency = 10_001", "tasks.concurrency: must be at most 10000"),
        ("tasks.queue = 1_000_001", "tasks.queue: must be at most 1000000"),
        ("tasks.per_call = 0", "tasks.per_call: must be at least 1"),
        ("tasks.per_call = 100_001", "tasks.per_call: must be at most 100000"),
        ("tasks.deadline = '0s'", "tasks.deadline: must be at least 1ms"),
        ("tasks.deadline = '25h'", "tasks.deadline: must be at most 24h"),
        (
            "tasks.restart = 'permanent'",
            "tasks.restart: `permanent` is not known here; write \"temporary\" or \"transient\"",
        ),
        ("tasks.percall = 1", "tasks.percall: unknown key, did you mean `per_call`?"),
        ("tasks.mail = {}", "tasks.mail: unknown key, the keys here are `concurrency`, `queue`"),
        ("per_call = 1", "per_call: unknown key, did you mean `tasks.per_call`?"),
        ("supervision.restarts = 1001", "supervision.restarts: must be at most 1000"),
        ("supervision.within = '0s'", "supervision.within: must be at least 1ms"),
        ("supervision.backoff = '2h'", "supervision.backoff: must be at most 1h"),
        ("supervision.backoff_max = '500ms'", "supervision.backoff_max: must be at least 1s"),
        ("supervision.backoff_max = '2h'", "supervision.backoff_max: must be at most 1h"),
        ("supervision.healthy = '0s'", "supervision.healthy: must be at least 1ms"),
        ("supervision.rounds = 0", "supervision.rounds: must be at least 1"),
        ("supervision.restart = 1", "supervision.restart: unknown key, did you mean `restarts`?"),
        ("restarts = 1", "restarts: unknown key, did you mean `supervision.restarts`?"),
        ("breaker = false", "breaker: expected a table, found true or false"),
        ("breaker.enabled = 0", "breaker.enabled: expected true or false"),
        ("breaker.ratio = 0.001", "breaker.ratio: must be at least 0.01"),
        ("breaker.ratio = 0", "breaker.ratio: must be at least 0.01"),
        ("breaker.ratio = 50", "breaker.ratio: 50 is not a part of a whole, such as 0.5"),
        ("breaker.ratio = 1.5", "breaker.ratio: 1.5 is not a part of a whole"),
        ("breaker.ratio = nan", "breaker.ratio: NaN is not a part of a whole"),
        ("breaker.ratio = '50%'", "breaker.ratio: expected a part of a whole, such as 0.5, found a string"),
        ("breaker.calls = 0", "breaker.calls: must be at least 1"),
        ("breaker.window = '10ms'", "breaker.window: must be at least 1s"),
        ("breaker.clients = 0", "breaker.clients: must be at least 1"),
        ("breaker.cool_down = '0s'", "breaker.cool_down: must be at least 1ms"),
        ("breaker.cool_down_max = '1s'", "breaker.cool_down_max: must be at least 5s"),
        ("breaker.cooldown = '1s'", "breaker.cooldown: unknown key, did you mean `cool_down`?"),
        ("probation.time = '0s'", "probation.time: must be at least 1s"),
        ("probation.calls = 0", "probation.calls: must be at least 1"),
        ("probation.enable = true", "probation.enable: unknown key, did you mean `enabled`?"),
        ("limits.streams = 0", "limits.streams: must be at least 1"),
        ("limits.streams = 1_000_001", "limits.streams: must be at most 1000000"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
    assert!(parse(&plugin("breaker.ratio = 1\nsupervision.restarts = 0")).is_ok());
}

#[test]
fn mistakes_in_event_streams_are_explained() {
    for (more, expected) in [
        ("true", ": expected a topic such as \"orders:{id}\", or a table with `topic`, found true or false"),
        ("'orders:*'", ": `orders:*` is not a topic: control characters and `*` cannot stand in one"),
        ("''", ": `` is not a topic: use 1 to 255 bytes"),
        ("'orders:{id'", ": `orders:{id` has unbalanced braces"),
        ("'orders:{ids}'", ": the path `/o/{id}` has no capture `{ids}`, did you mean `{id}`?"),
        ("'orders:{*id}'", ": `*id` is not a capture's name"),
        ("'a/orders'", ": topics here are the plugin's own: leave `a/` away"),
        ("{}", ".topic: missing; write the topic, such as \"orders:{id}\""),
        ("{ topic = 5 }", ".topic: expected a topic such as \"orders:{id}\", found a whole number"),
        ("{ topic = 'x:{name}' }", ".topic: the path `/o/{id}` has no capture `{name}`"),
        ("{ topic = 'x', topics = 'y' }", ".topics: unknown key, did you mean `topic`?"),
        ("{ topic = 'x', open = 'all' }", ".open: `all` is not known here; write \"handler\" or \"anyone\""),
        ("{ topic = 'x', keep_alive = '500ms' }", ".keep_alive: must be at least 1s"),
        ("{ topic = 'x', keep_alive = '11m' }", ".keep_alive: must be at most 10m"),
        ("{ topic = 'x', queue = 0 }", ".queue: must be at least 1"),
        ("{ topic = 'x', queue_bytes = 5 }", ".queue_bytes: must be at least 1 KiB"),
        (
            "{ topic = 'x', overflow = 'drop' }",
            ".overflow: `drop` is not known here; write \"close\", \"drop-oldest\" or \"drop-newest\"",
        ),
        ("{ topic = 'x', retry = '0s' }", ".retry: must be at least 1ms"),
        ("{ topic = 'x', retry = 2 }", ".retry: expected a duration"),
    ] {
        for route in ["route = '/o/{id}'", "path = '/o/{id}', method = 'GET'"] {
            let text = plugin(&format!("routes = [{{ {route}, sse = {more} }}]"));
            check(&text, &format!("plugins.a.routes[0].sse{expected}"));
        }
    }
    for route in ["route = 'POST /o'", "path = '/o', methods = ['GET', 'POST']"] {
        let text = plugin(&format!("routes = [{{ {route}, sse = 'x' }}]"));
        let expected =
            "plugins.a.routes[0].sse: an event stream is asked for by GET, not by POST; leave the method away";
        check(&text, expected);
    }
    // A route without a method is one for GET, so others may have the same path.
    assert!(parse(&plugin("routes = [{ route = '/o', sse = 'x' }, 'POST /o']")).is_ok());
    let both = plugin("routes = ['GET /o', { route = '/o', sse = 'x' }]");
    check(&both, "plugins.a.routes[1]: `GET /o` of plugin `a` gets the same requests");
}

#[test]
fn mistakes_in_buckets_are_explained() {
    for (more, expected) in [
        ("caches = 1", "caches: expected a table for each bucket, `[plugins.NAME.caches.BUCKET]`, found a whole"),
        (
            "caches.'My Cache' = {}",
            "caches.\"My Cache\": `My Cache` is not a bucket name: use 1 to 64 lower-case letters, digits, `-` and `_`; `my-cache` would do",
        ),
        ("caches.x = 'cache'", "caches.x: expected a table, found a string"),
        ("caches.x.tll = '1s'", "caches.x.tll: unknown key, did you mean `ttl`?"),
        (
            "caches.x.kind = 'lru'",
            "caches.x.kind: `lru` is not a kind of bucket: write \"cache\", which evicts, or \"table\"",
        ),
        ("caches.x.entries = 0", "caches.x.entries: must be at least 1"),
        ("caches.x.bytes = '1KiB'", "caches.x.bytes: must be at least 4 KiB"),
        ("caches.x = { bytes = '1MiB', value_bytes = '2MiB' }", "caches.x.value_bytes: must be at most 1 MiB"),
        ("caches.x.ttl = '0s'", "caches.x.ttl: must be at least 1ms"),
        ("caches.x.idle = 5", "caches.x.idle: expected a duration such as \"10s\", found a whole number"),
        ("caches.x.persist = 1", "caches.x.persist: expected true or false"),
        (
            "caches.x = { kind = 'table', write_behind = '1s' }",
            "caches.x.write_behind: expected true, or a table such as { every = \"1s\" }, found a string",
        ),
        (
            "caches.x = { kind = 'table', write_behind.every = '9ms' }",
            "caches.x.write_behind.every: must be at least 10ms",
        ),
        ("caches.x = { kind = 'table', write_behind.every = '2h' }", "caches.x.write_behind.every: must be at most 1h"),
        (
            "caches.x = { kind = 'table', write_behind.interval = '1s' }",
            "caches.x.write_behind.interval: unknown key, the keys here are `every`",
        ),
        (
            "caches.x = { write_behind = true }",
            "caches.x.write_behind: is for `kind = \"table\"`: a cache evicts, and what it evicts would be missing",
        ),
        (
            "caches.x = { kind = 'table', write_behind = true, persist = true }",
            "caches.x.write_behind: cannot go with `persist`: the store keeps the bucket already",
        ),
        (
            "caches.x = { kind = 'table', write_behind = {}, bytes = '64MiB', value_bytes = '33MiB' }",
            "caches.x.write_behind: takes values of at most 32 MiB: lower `value_bytes`",
        ),
        (
            "caches.x.l2 = true",
            "caches.x.l2: expected a URL such as \"redis://cache:6379\", or a table such as { url = \"…\", fresh = \"5s\" }, found",
        ),
        ("caches.x.l2 = 'memcached://cache'", "caches.x.l2: is no Redis: write `redis://HOST[:PORT][/DATABASE]`"),
        ("caches.x.l2 = 'redis://'", "caches.x.l2: is no Redis"),
        ("caches.x.l2 = 'redis://cache?protocol=2'", "caches.x.l2: has parameters"),
        ("caches.x.l2 = 'rediss://cache#insecure'", "caches.x.l2: has parameters"),
        ("caches.x.l2 = 'redis://me:hunter2@cache'", "caches.x.l2: has a user or a password in it: a secret stays out"),
        ("caches.x.l2.fresh = '1s'", "caches.x.l2.url: is needed: where the Redis is"),
        ("caches.x.l2 = { url = 'redis://c', password = 'hunter2' }", "caches.x.l2.password: a secret is a reference"),
        ("caches.x.l2 = { url = {} }", "caches.x.l2.url: write exactly one of"),
        ("caches.x.l2 = { url = 'redis://c', prefix = 'a:b' }", "caches.x.l2.prefix: is 1 to 64 letters"),
        ("caches.x.l2 = { url = 'redis://c', ca = 'ca.pem' }", "caches.x.l2.ca: is for TLS: write `rediss://`"),
        ("caches.x.l2 = { url = 'redis://c', timeout = '0s' }", "caches.x.l2.timeout: must be at least 1ms"),
        ("caches.x.l2 = { url = 'redis://c', fresh = '2h' }", "caches.x.l2.fresh: must be at most 1h"),
        ("caches.x.l2 = { url = 'redis://c', in_flight = 0 }", "caches.x.l2.in_flight: must be at least 1"),
        ("caches.x.l2 = { url = 'redis://c', db = 1 }", "caches.x.l2.db: unknown key"),
        (
            "caches.x = { kind = 'table', l2 = 'redis://c' }",
            "caches.x.l2: is for `kind = \"cache\"`: a table never loses",
        ),
        ("caches.x = { persist = true, l2 = 'redis://c' }", "caches.x.l2: cannot go with `persist`"),
        ("caches.x = { idle = '1s', l2 = 'redis://c' }", "caches.x.l2: cannot go with `idle`"),
        (
            "caches.x = { l2 = 'redis://c', bytes = '64MiB', value_bytes = '33MiB' }",
            "caches.x.l2: takes values of at most 32 MiB",
        ),
        (
            "grants.caches = ['b/z']",
            "grants.caches: expected a table such as { \"shop/sessions\" = \"read\" }, found an array",
        ),
        (
            "grants.caches = { z = 'read' }",
            "grants.caches.z: `z` names no bucket: write the plugin and its bucket, as in",
        ),
        (
            "grants.caches = { 'b/z' = 'write' }",
            "grants.caches.\"b/z\": `write` is not known here; write \"read\" or \"read-write\"",
        ),
        ("caches.x = {}\ngrants.caches = { 'a/x' = 'read' }", "grants.caches.\"a/x\": a plugin's own buckets are open"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
    let two = |granted: &str| {
        plugin(&format!(
            "grants.caches = {{ '{granted}' = 'read' }}\n[plugins.shop]\nsource = 's'\ncaches.sessions = {{}}"
        ))
    };
    assert!(parse(&two("shop/sessions")).is_ok());
    let expected = "plugins.a.grants.caches.\"shop/session\": plugin `shop` declares no bucket `session`, did you mean `shop/sessions`?";
    check(&two("shop/session"), expected);
    check(
        &two("ship/sessions"),
        "plugins.a.grants.caches.\"ship/sessions\": plugin `ship` declares no bucket `sessions`, did",
    );
    check(&two("b/x"), "plugins.a.grants.caches.\"b/x\": plugin `b` declares no bucket `x`");
}

#[test]
fn all_buckets_must_fit_the_memory_for_them() {
    let four =
        plugin("caches = { w = { bytes = '100MiB' }, x = { bytes = '90MiB' }, y = { bytes = '70MiB' }, z = {} }");
    check(
        &four,
        "host.cache_memory: 256 MiB is less than the 276 MiB that all buckets may come to: `a/w` (100 MiB), `a/x` (90 MiB), \
         `a/y` (70 MiB), 1 more; raise it, or lower their `bytes`",
    );
    assert!(parse(&format!("host.cache_memory = '276MiB'\n{four}")).is_ok());
}

#[test]
fn mistakes_in_rate_limits_are_explained() {
    for (limit, expected) in [
        ("10", ": expected a table such as { requests = 10, per = \"1m\" }, found a whole number"),
        ("{ per = '1m' }", ": has no `requests`"),
        ("{ requests = 1 }", ": has no `per`"),
        ("{ requests = 0, per = '1m' }", ".requests: must be at least 1"),
        ("{ requests = 1, per = '0s' }", ".per: must be at least 1ms"),
        ("{ requests = 1, per = '1s', burst = 0 }", ".burst: must be at least 1"),
        ("{ requests = 1, per = '1s', by = 'ip' }", ".by: `ip` is not known here; write \"client\" or \"header:NAME\""),
        ("{ requests = 1, per = '1s', by = 'header:' }", ".by: `` is not a header's name"),
        ("{ request = 1, requests = 1, per = '1s' }", ".request: unknown key, did you mean `requests`?"),
    ] {
        check(&plugin(&format!("rate_limit = {limit}")), &format!("plugins.a.rate_limit{expected}"));
        let route = format!("routes = [{{ route = 'POST /login', rate_limit = {limit} }}]");
        check(&plugin(&route), &format!("plugins.a.routes[0].rate_limit{expected}"));
    }
    let both = plugin("routes = [{ route = '/x', path = '/y' }]");
    check(&both, "plugins.a.routes[0].path: unknown key");
    check(&plugin("routes = [{ route = 'x' }]"), "plugins.a.routes[0].route: a path must start with `/`");
}

#[test]
fn a_request_has_one_plugin_to_go_to() {
    let two = |a: &str, b: &str| {
        format!("[plugins.a]\nsource = 'a'\nroutes = [{a}]\n[plugins.b]\nsource = 'b'\nroutes = [{b}]")
    };
    for (a, b) in [
        ("'GET /a'", "'/a'"),
        ("'GET /a'", "'POST /a'"),
        ("'/a'", "'a.org/a'"),
        ("'b.org/{x}'", "'a.org/{*x}'"),
        ("'/a/{x}'", "'/{x}/a'"),
        ("'/{*x}', '/'", "'/api/{*rest}'"),
        ("'/a'", "'/a/'"),
        ("'GET /{x}/a'", "'POST /{y}/a'"),
    ] {
        assert!(parse(&two(a, b)).is_ok(), "{a} {b}");
    }
    for (a, b, expected) in [
        ("'/a/{x}'", "'/a/{y}'", "`/a/{y}` of plugin `b` gets the same requests as `/a/{x}` of plugin `a`"),
        (
            "'GET /a'",
            "{ path = '/a', methods = ['PUT', 'GET'] }",
            "`PUT,GET /a` of plugin `b` gets the same requests as",
        ),
        ("'A.org/a'", "'a.ORG/a'", "`a.org/a` of plugin `b` gets the same requests as `a.org/a` of plugin `a`"),
        (
            "'/ok', '/a/{x}'",
            "'/a/{*rest}'",
            "`/a/{*rest}` of plugin `b` would get some of the same requests as `/a/{x}` of plugin `a`, and neither",
        ),
    ] {
        check(&two(a, b), &format!("plugins.b.routes[0]: {expected}"));
    }
    check(&plugin("routes = ['/', '/']"), "plugins.a.routes[1]: `/` of plugin `a` gets the same requests");
}
