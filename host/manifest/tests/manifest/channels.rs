//! What is read of sockets and channels, and what is said about mistakes.

use std::time::Duration;

use skep_manifest::{
    Brings, ChannelConfig, Longpoll, SocketConfig, SocketConnect, SocketLimits, SocketOrigins, clashes,
};
use skep_types::{ByteSize, TopicPattern};

use crate::mistakes::{check, plugin};
use crate::{name, parse};

fn socket(more: &str) -> SocketConfig {
    let manifest = parse(&plugin(&format!("sockets.'/socket' = {more}"))).unwrap();
    let plugin = manifest.plugins.get(&name("a")).unwrap();
    plugin.sockets.get(&"/socket".parse().unwrap()).unwrap().clone()
}

#[test]
fn a_socket_has_phoenix_defaults() {
    let plain = socket("{}");
    assert_eq!(plain, SocketConfig::default());
    assert_eq!((plain.connect, plain.channels, plain.longpoll), (SocketConnect::Handler, 100, None));
    let SocketLimits { origins, frame, idle_timeout, .. } = plain.limits;
    assert_eq!((origins, frame, idle_timeout), (SocketOrigins::SameHost, ByteSize::kib(64), Duration::from_secs(60)));
    let window = |window| Some(Longpoll { window: Duration::from_secs(window) });
    assert_eq!((socket("{ longpoll = true }").longpoll, socket("{ longpoll = false }").longpoll), (window(10), None));
    assert_eq!(socket("{ longpoll.window = '1s' }").longpoll, window(1));
}

#[test]
fn a_burst_follows_from_the_rate_that_is_said() {
    let rates = |more| {
        let SocketConfig { joins_burst, limits, .. } = socket(more);
        (joins_burst, limits.messages_burst)
    };
    assert_eq!(rates("{}"), (200, 2000));
    assert_eq!(rates("{ channels = 10, messages_per_second = 5 }"), (50, 10));
    assert_eq!(rates("{ joins_per_second = 1000, messages_per_second = 1_000_000 }"), (1000, 1_000_000));
    assert_eq!(rates("{ joins_burst = 1, messages_burst = 2 }"), (1, 2));
}

#[test]
fn channels_are_on_the_plugins_own_sockets_unless_it_is_said() {
    let (own, other) = (name("a"), name("b"));
    let mount = |text: &str| text.parse().unwrap();
    let plain = ChannelConfig::default();
    assert!(plain.is_on(&own, &own, &mount("/x")) && !plain.is_on(&own, &other, &mount("/x")));
    let some = ChannelConfig { sockets: Some(vec![mount_of("/x"), mount_of("b/y")]), ..plain };
    for (owner, path, is_on) in [(&own, "/x", true), (&own, "/y", false), (&other, "/y", true), (&other, "/x", false)] {
        assert_eq!(some.is_on(&own, owner, &mount(path)), is_on, "{owner} {path}");
    }
}

fn mount_of(text: &str) -> skep_manifest::MountSelector {
    text.parse().unwrap()
}

#[test]
fn mistakes_in_sockets_are_explained() {
    for (more, expected) in [
        (" = 5", ": expected a table for each mount, `[plugins.NAME.sockets.\"/socket\"]`, found a whole number"),
        (".'/a' = true", ".\"/a\": expected a table, found true or false"),
        (".socket = {}", ".socket: `socket` is not a mount: write a path, such as \"/socket\""),
        (".'/a/websocket' = {}", ".\"/a/websocket\": clients add `/websocket` themselves: write \"/a\""),
        (".'/a/{id}' = {}", ".\"/a/{id}\": `/a/{id}` has a capture: a mount is one path"),
        (".'/a'.conect = 'anyone'", ".\"/a\".conect: unknown key, did you mean `connect`?"),
        (".'/a'.connect = 'all'", ".\"/a\".connect: `all` is not known here; write \"handler\" or \"anyone\""),
        (
            ".'/a'.origins = 'all'",
            ".\"/a\".origins: `all` is not known here; write \"same-host\", \"any\", or a list such as",
        ),
        (".'/a'.origins = []", ".\"/a\".origins: is empty; write \"same-host\""),
        (".'/a'.origins = ['example.org']", ".\"/a\".origins[0]: `example.org` must start with `http://`"),
        (".'/a'.origins = 5", ".\"/a\".origins: expected \"same-host\", \"any\", or a list"),
        (".'/a'.headers = ['a b']", ".\"/a\".headers[0]: is not a header's name"),
        (".'/a'.headers = ['*']", ".\"/a\".headers[0]: is not a header's name"),
        (".'/a'.idle_timeout = '10ms'", ".\"/a\".idle_timeout: must be at least 1s"),
        (".'/a'.idle_timeout = '2h'", ".\"/a\".idle_timeout: must be at most 1h"),
        (".'/a'.frame = 100", ".\"/a\".frame: must be at least 1 KiB"),
        (".'/a'.frame = '17MiB'", ".\"/a\".frame: must be at most 16 MiB"),
        (".'/a'.channels = 0", ".\"/a\".channels: must be at least 1"),
        (".'/a'.channels = 10_001", ".\"/a\".channels: must be at most 10000"),
        (".'/a'.joins_per_second = 0", ".\"/a\".joins_per_second: must be at least 1"),
        (".'/a'.joins_burst = 0", ".\"/a\".joins_burst: must be at least 1"),
        (".'/a'.messages_per_second = 0", ".\"/a\".messages_per_second: must be at least 1"),
        (".'/a'.messages_burst = 1_000_001", ".\"/a\".messages_burst: must be at most 1000000"),
        (".'/a'.queue = 15", ".\"/a\".queue: must be at least 16"),
        (".'/a'.queue_bytes = '65MiB'", ".\"/a\".queue_bytes: must be at most 64 MiB"),
        (".'/a'.assigns = '2MiB'", ".\"/a\".assigns: must be at most 1 MiB"),
        (
            ".'/a'.overflow = 'drop'",
            ".\"/a\".overflow: `drop` is not known here; write \"close\" or \"drop-broadcasts\"",
        ),
        (".'/a'.longpoll = 5", ".\"/a\".longpoll: expected true, false, or a table such as { window = \"10s\" }"),
        (".'/a'.longpoll.window = '2m'", ".\"/a\".longpoll.window: must be at most 1m"),
        (".'/a'.longpoll.windw = '2s'", ".\"/a\".longpoll.windw: unknown key, did you mean `window`?"),
    ] {
        check(&plugin(&format!("sockets{more}")), &format!("plugins.a.sockets{expected}"));
    }
    let mounts = |number: usize| (0..number).map(|at| format!("sockets.'/s{at}' = {{}}\n")).collect::<String>();
    assert!(parse(&plugin(&mounts(100))).is_ok());
    check(&plugin(&mounts(101)), "plugins.a.sockets: has 101 entries; a plugin has at most 100");
}

#[test]
fn mistakes_in_channels_are_explained() {
    let long = format!(".'x:*'.intercept = ['{}']", "x".repeat(256));
    for (more, expected) in [
        (" = 5", ": expected a table for each pattern of topics, `[plugins.NAME.channels.\"room:*\"]`, found"),
        (".'x*y' = {}", ".\"x*y\": `x*y` is not a pattern of topics: `*` can only be its last character"),
        (".'a/x:*' = {}", ".\"a/x:*\": topics here are the plugin's own: leave `a/` away"),
        (".'x:*'.proces = 'y'", ".\"x:*\".proces: unknown key, did you mean `process`?"),
        (".'x:*'.process = 'Y'", ".\"x:*\".process: `Y` is not a handler's name"),
        (".'x:*'.process = 5", ".\"x:*\".process: expected the name of a kind of processes, such as \"room\""),
        (".'x:*'.intercept = 'y'", ".\"x:*\".intercept: expected an array, found a string"),
        (".'x:*'.intercept = ['']", ".\"x:*\".intercept[0]: is not an event: use 1 to 255 bytes"),
        (".'x:*'.intercept = [\"a\\nb\"]", ".\"x:*\".intercept[0]: is not an event"),
        (&long, ".\"x:*\".intercept[0]: is not an event"),
        (".'x:*'.sockets = []", ".\"x:*\".sockets: is empty, so nobody could join"),
        (".'x:*'.sockets = ['sock']", ".\"x:*\".sockets[0]: `sock` is not a mount: write a path"),
        (".'x:*'.sockets = ['/s']", ".\"x:*\".sockets[0]: plugin `a` has no socket `/s`"),
        (".'x:*'.sockets = ['a/s']", ".\"x:*\".sockets[0]: plugin `a` has no socket `/s`"),
        (
            ".'x:*'.sockets = ['b/s']",
            ".\"x:*\".sockets[0]: `b/s` is of another plugin, which must be granted: `grants.sockets = [\"b/s\"]`",
        ),
    ] {
        check(&plugin(&format!("channels{more}")), &format!("plugins.a.channels{expected}"));
    }
    let events = |number: usize| {
        let events: Vec<_> = (0..number).map(|at| format!("'e{at}'")).collect();
        plugin(&format!("channels.x.intercept = [{}]", events.join(", ")))
    };
    assert!(parse(&events(100)).is_ok());
    check(&events(101), "plugins.a.channels.x.intercept: has 101 events; a channel intercepts at most 100");
    check(&plugin("channel.x = {}"), "plugins.a.channel: unknown key, did you mean `channels`?");
}

#[test]
fn mistakes_in_grants_are_explained() {
    let two = |more: &str| {
        format!(
            "{}\n[plugins.shop]\nsource = 's'\nsockets.'/socket' = {{}}",
            plugin(&format!("grants.sockets = {more}"))
        )
    };
    for (granted, expected) in [
        ("'shop/socket'", ": expected an array, found a string"),
        ("['/socket']", "[0]: names no plugin: write \"plugin/socket\"; a plugin's own are open to it"),
        ("['a/socket']", "[0]: not needed: a plugin's own sockets are open to it"),
        ("['ship/socket']", "[0]: there is no plugin `ship`, did you mean `shop`?"),
        ("['shop/sockt']", "[0]: plugin `shop` has no socket `/sockt`, did you mean `/socket`?"),
        (
            "['Shop/socket']",
            "[0]: a socket is written as \"/socket\", one of another plugin as \"plugin/socket\"; `Shop`",
        ),
    ] {
        check(&two(granted), &format!("plugins.a.grants.sockets{expected}"));
    }
    assert!(parse(&two("['shop/socket']\nchannels.'x:*'.sockets = ['shop/socket']")).is_ok());
}

#[test]
fn a_join_has_one_plugin_to_go_to() {
    let two = |own: &str, other: &str| {
        format!(
            "[plugins.a]\nsource = 'a'\nsockets.'/socket' = {{}}\nchannels.'{own}' = {{}}\n\
             [plugins.b]\nsource = 'b'\ngrants.sockets = ['a/socket']\nchannels.'{other}'.sockets = ['a/socket']"
        )
    };
    // The most exact one is joined.
    assert!(parse(&two("*", "room:*")).is_ok());
    check(
        &two("room:*", "room:*"),
        "plugins.b.channels.\"room:*\": plugin `a` has the channels `room:*` on the socket `/socket` of `a` already",
    );
}

/// What a component has and its entry does not name is on all sockets of its plugin.
#[test]
fn what_components_have_is_for_one_plugin_too() {
    let found = |own: &str, of_a: &[&str], of_b: &[&str]| {
        let text = format!(
            "[plugins.a]\nsource = 'a'\nsockets = {{ '/socket' = {{}}, '/else' = {{}} }}\n{own}\n\
             [plugins.b]\nsource = 'b'\ngrants.sockets = ['a/socket']\nchannels.'room:*'.sockets = ['a/socket']\n\
             [plugins.c]\nsource = 'c'\nsockets.'/c' = {{}}"
        );
        let manifest = parse(&text).unwrap();
        let patterns = |of: &[&str]| of.iter().map(|text| text.parse().unwrap()).collect::<Vec<TopicPattern>>();
        let (of_a, of_b) = (patterns(of_a), patterns(of_b));
        let brings = manifest.plugins.iter().map(|(plugin, config)| {
            let component = match plugin.as_str() {
                "a" => &of_a,
                // Its own sockets are others.
                _ => &of_b,
            };
            Brings { plugin, config, component: component.iter().collect() }
        });
        clashes(brings).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        found("", &["room:lobby", "*"], &["room:*"]),
        [""; 0],
        "these overlap, and the most exact one is joined"
    );
    let clash = "the plugins `a` and `b` both have the channels `room:*` on the socket `a/socket`, and a client's join has one \
                 plugin to go to: write in `[plugins.NAME.channels.\"room:*\"]` of one of them on which other `sockets` they are";
    assert_eq!(found("", &["room:*"], &["room:*"]), [clash]);
    assert_eq!(found("", &["room:*"], &[]), [clash], "the entry is enough: its component may have processes");
    let elsewhere = "channels.'room:*'.sockets = ['/else']";
    assert_eq!(found(elsewhere, &["room:*"], &["room:*"]), [""; 0]);
}

#[test]
fn a_mount_is_a_route_like_any_other() {
    check(
        &plugin("routes = ['GET /socket/websocket']\nsockets.'/socket' = {}"),
        "plugins.a.sockets.\"/socket\": `GET /socket/websocket` of plugin `a` gets the same requests as",
    );
    check(
        &plugin("routes = ['POST /socket/longpoll']\nsockets.'/socket' = { longpoll = true }"),
        "plugins.a.sockets.\"/socket\": `GET,POST,OPTIONS /socket/longpoll` of plugin `a` gets the same requests as",
    );
    for fits in [
        "routes = ['/{*rest}', '/socket', '/socket/longpoll']\nsockets.'/socket' = {}",
        "routes = ['GET b.org/socket/websocket']\nsockets.'a.org/socket' = {}",
    ] {
        assert!(parse(&plugin(fits)).is_ok(), "{fits}");
    }
    let two = "[plugins.a]\nsource = 'a'\nsockets.'/s' = {}\n[plugins.b]\nsource = 'b'\nsockets.'/s' = {}";
    check(two, "plugins.b.sockets.\"/s\": `GET /s/websocket` of plugin `b` gets the same requests as");
}

#[test]
fn mistakes_in_raw_websockets_are_explained() {
    for (more, expected) in [
        ("websocket = 5", ".websocket: expected true, or a table such as { frame = \"64KiB\""),
        ("websocket.overflow = 'close'", ".websocket.overflow: unknown key, the keys here are"),
        ("websocket.frame = 1", ".websocket.frame: must be at least 1 KiB"),
        ("websocket = true, sse = 'x'", ": has both `sse` and `websocket`"),
    ] {
        check(&plugin(&format!("routes = [{{ path = '/x', {more} }}]")), &format!("plugins.a.routes[0]{expected}"));
    }
    let post = plugin("routes = [{ route = 'POST /x', websocket = true }]");
    check(&post, "plugins.a.routes[0].websocket: a WebSocket is asked for by GET, not by POST; leave the method away");
    let plain = parse(&plugin("routes = [{ route = '/x', websocket = false }]")).unwrap();
    let route = &plain.plugins[&name("a")].routes[0];
    assert_eq!((route.websocket.is_none(), route.methods.is_none()), (true, true));
}
