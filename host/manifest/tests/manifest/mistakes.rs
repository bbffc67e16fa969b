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
fn plugin(more: &str) -> String {
    format!("[plugins.a]\nsource = 'a.wasm'\n{more}")
}

/// Checks that the text has exactly one problem, and what is said about it.
#[track_caller]
fn check(text: &str, expected: &str) {
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
