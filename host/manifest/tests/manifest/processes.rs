//! What is read of processes, and what is said about mistakes.

use std::num::NonZeroU32;
use std::time::Duration;

use skep_manifest::{Persistence, ProcessConfig, SupervisionConfig};
use skep_types::HandlerName;

use crate::mistakes::{check, plugin};
use crate::{name, parse};

fn kind(more: &str) -> ProcessConfig {
    let manifest = parse(&plugin(more)).unwrap();
    let plugin = manifest.plugins.get(&name("a")).unwrap();
    plugin.process(&HandlerName::new("cart").unwrap())
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[test]
fn what_a_kind_does_not_say_the_plugin_says() {
    let settings = "limits = { deadline = '2s', fuel = 5 }\nsupervision = { restarts = 7, backoff = '2m' }\n";
    for more in ["", "processes.cart = {}\n", "processes.other.deadline = '1s'\n"] {
        let cart = kind(&format!("{settings}{more}"));
        assert_eq!((cart.deadline, cart.fuel), (Duration::from_secs(2), 5), "{more}");
        assert_eq!((cart.supervision.restarts, cart.supervision.backoff_max), (7, Duration::from_secs(120)), "{more}");
    }
    let own = kind(&format!("{settings}processes.cart = {{ deadline = '30s', supervision.within = '1m' }}"));
    assert_eq!((own.deadline, own.fuel), (Duration::from_secs(30), 5));
    assert_eq!((own.supervision.restarts, own.supervision.within), (7, Duration::from_secs(60)));
    let plain = kind("");
    assert_eq!(plain.supervision, SupervisionConfig::default());
    assert_eq!(
        (plain.mailbox, plain.max, plain.hibernate_after),
        (number(1000), 100_000, Some(Duration::from_secs(10)))
    );
    assert_eq!((plain.deadline, plain.fuel), (Duration::from_secs(10), 1_000_000_000));
}

#[test]
fn what_survives_is_a_word_or_a_table_with_its_settings() {
    let five_seconds = Duration::from_secs(5);
    let snapshot = |every_messages, every| Persistence::Snapshot { every_messages: number(every_messages), every };
    let log = |every| Persistence::EventLog { snapshot_every: number(every) };
    for (written, expected) in [
        ("'none'", Persistence::None),
        ("'snapshot'", snapshot(100, five_seconds)),
        ("{ snapshot = {} }", snapshot(100, five_seconds)),
        ("{ snapshot = { every_messages = 1 } }", snapshot(1, five_seconds)),
        ("{ snapshot = { every = '1m' } }", snapshot(100, Duration::from_secs(60))),
        ("'durable'", Persistence::Durable),
        ("'event-log'", log(1000)),
        ("{ event-log = { snapshot_every = 5 } }", log(5)),
    ] {
        let cart = kind(&format!("processes.cart.persistence = {written}"));
        assert_eq!(cart.persistence, expected, "{written}");
    }
    let cart = kind("processes.cart.persistence.snapshot.every = '1s'");
    assert_eq!(cart.persistence, snapshot(100, Duration::from_secs(1)));
}

#[test]
fn mistakes_in_kinds_are_explained() {
    for (more, expected) in [
        (" = 5", ": expected a table for each kind, `[plugins.NAME.processes.KIND]`, found a whole number"),
        (".'A b' = {}", ".\"A b\": `A b` is not a kind's name: use 1 to 64 lower-case letters, digits, `-` and `_`"),
        (".cart = 5", ".cart: expected a table, found a whole number"),
        (".cart.mailbx = 1", ".cart.mailbx: unknown key, did you mean `mailbox`?"),
        (".cart.restarts = 1", ".cart.restarts: unknown key, did you mean `supervision.restarts`?"),
        (".cart.backoff = '1s'", ".cart.backoff: unknown key, did you mean `supervision.backoff`?"),
        (
            ".cart.restart = 'always'",
            ".cart.restart: `always` is not known here; write \"transient\", \"permanent\" or \"temporary\"",
        ),
        (".cart.supervision.rounds = 0", ".cart.supervision.rounds: must be at least 1"),
        (".cart.supervision.round = 1", ".cart.supervision.round: unknown key, did you mean `rounds`?"),
        (".cart.mailbox = 0", ".cart.mailbox: must be at least 1"),
        (".cart.mailbox = 1_000_001", ".cart.mailbox: must be at most 1000000"),
        (".cart.max = 0", ".cart.max: must be at least 1"),
        (".cart.max = 100_000_001", ".cart.max: must be at most 100000000"),
        (".cart.hibernate_after = '0s'", ".cart.hibernate_after: must be at least 1ms"),
        (".cart.hibernate_after = '25h'", ".cart.hibernate_after: must be at most 24h"),
        (".cart.hibernate_after = 'nevr'", ".cart.hibernate_after: `nevr` is not a duration"),
        (".cart.deadline = '0s'", ".cart.deadline: must be at least 1ms"),
        (".cart.fuel = 0", ".cart.fuel: must be at least 1"),
        (
            ".cart.strategy = 'all'",
            ".cart.strategy: `all` is not known here; write \"one-for-one\", \"one-for-all\" or \"rest-for-one\"",
        ),
    ] {
        check(&plugin(&format!("processes{more}")), &format!("plugins.a.processes{expected}"));
    }
    check(&plugin("process.cart = {}"), "plugins.a.process: unknown key, did you mean `processes`?");
    assert_eq!(kind("processes.cart.hibernate_after = 'never'").hibernate_after, None);
    let kinds = |number: usize| plugin(&(0..number).map(|at| format!("processes.k{at} = {{}}\n")).collect::<String>());
    assert!(parse(&kinds(64)).is_ok());
    check(&kinds(65), "plugins.a.processes: has 65 entries; a plugin has at most 64");
}

#[test]
fn mistakes_in_what_survives_are_explained() {
    const HOW: &str = "write \"none\", \"snapshot\", \"durable\", \"event-log\", or a table such as { snapshot = {";
    for (written, expected) in [
        ("5", ": expected \"none\", \"snapshot\", \"durable\"".to_owned()),
        ("'snapshots'", format!(": `snapshots` is not known here; {HOW}")),
        ("{}", format!(": says nothing; {HOW}")),
        ("{ snapshot = {}, event-log = {} }", ": is one of both: `snapshot` or `event-log`".to_owned()),
        ("{ snapshot = 5 }", ".snapshot: expected a table, found a whole number".to_owned()),
        ("{ snapshot = { every = '1ms' } }", ".snapshot.every: must be at least 10ms".to_owned()),
        ("{ snapshot = { every = '2h' } }", ".snapshot.every: must be at most 1h".to_owned()),
        ("{ snapshot = { every_messages = 0 } }", ".snapshot.every_messages: must be at least 1".to_owned()),
        ("{ snapshot = { evry = '1s' } }", ".snapshot.evry: unknown key, did you mean `every`?".to_owned()),
        ("{ event-log = { snapshot_every = 1_000_001 } }", ".event-log.snapshot_every: must be at most".to_owned()),
    ] {
        let text = plugin(&format!("processes.cart.persistence = {written}"));
        check(&text, &format!("plugins.a.processes.cart.persistence{expected}"));
    }
    let text = plugin("processes.cart.persistence = { snapshot = {}, durable = {} }");
    check(
        &text,
        "plugins.a.processes.cart.persistence.durable: unknown key, the keys here are `snapshot`, `event-log`",
    );
}

#[test]
fn mistakes_in_processes_to_start_are_explained() {
    let long = format!("['{}']", "x".repeat(257));
    let big = format!("[{{ name = 'x', args = '{}' }}]", "x".repeat(64 << 10));
    for (written, expected) in [
        ("'main'", ": expected an array such as [\"main\", {"),
        ("[5]", "[0]: expected a name, or a table such as { name = \"main\", args = {} }, found a whole number"),
        ("['']", "[0]: is not a process's name: use 1 to 256 bytes without control characters"),
        (&long, "[0]: is not a process's name"),
        ("[{ args = 5 }]", "[0].name: missing; write the name that it is reached by"),
        ("[{ name = 5 }]", "[0].name: expected a process's name, found a whole number"),
        ("[{ name = 'x', arg = 5 }]", "[0].arg: unknown key, did you mean `args`?"),
        ("[{ name = 'x', args = [1, inf] }]", "[0].args[1]: JSON has no inf"),
        (&big, "[0].args: are 65538 bytes of JSON; at most 65536 go to a process"),
        ("['x', 'y', 'x']", "[2]: the name `x` is taken by a process of `cart`"),
    ] {
        let text = plugin(&format!("processes.cart.start = {written}"));
        check(&text, &format!("plugins.a.processes.cart.start{expected}"));
    }
    let two = plugin("processes.cart.start = ['x']\nprocesses.stock.start = [{ name = 'x' }]");
    check(&two, "plugins.a.processes.stock.start[0]: the name `x` is taken by a process of `cart`");
    let over = plugin("processes.cart = { max = 1, start = ['x', 'y'] }");
    check(&over, "plugins.a.processes.cart.start: has 2 processes; `max` allows 1");
    let many = |number: usize| {
        let names: Vec<_> = (0..number).map(|at| format!("'p{at}'")).collect();
        plugin(&format!("processes.cart.start = [{}]", names.join(", ")))
    };
    assert!(parse(&many(1000)).is_ok());
    check(&many(1001), "plugins.a.processes.cart.start: has 1001 processes; at most 1000 are started with a plugin");
}

#[test]
fn mistakes_in_the_host_are_explained() {
    for (more, expected) in [
        ("processes = 5", "processes: expected a table, found a whole number"),
        ("processes.live = 0", "processes.live: must be at least 1"),
        ("processes.live = 1_000_001", "processes.live: must be at most 1000000"),
        ("processes.live = 'all'", "processes.live: expected a whole number, found a string"),
        ("processes.state_memory = '1KiB'", "processes.state_memory: must be at least 1 MiB"),
        ("processes.state_memory = '2048GiB'", "processes.state_memory: must be at most 1024 GiB"),
        ("processes.max = 0", "processes.max: must be at least 1"),
        ("processes.alive = 5", "processes.alive: unknown key, did you mean `live`?"),
        ("state_memory = '1GiB'", "state_memory: unknown key, did you mean `processes.state_memory`?"),
    ] {
        check(&format!("host.{more}"), &format!("host.{expected}"));
    }
}

#[test]
fn mistakes_in_grants_are_explained() {
    for (granted, expected) in [
        ("['b/x']", ": expected a table such as { \"shop/cart:*\" = \"call\" }, found an array"),
        ("{ 'b/x' = 'read' }", ".\"b/x\": `read` is not known here; write \"monitor\", \"call\" or \"all\""),
        (
            "{ b = 'call' }",
            ".b: says nothing of processes: write \"b/*\" for all of the plugin, or some, as in \"b/cart:*\"",
        ),
        ("{ 'B c' = 'call' }", ".\"B c\": `B c` names no plugin: write it and its processes, as in \"shop/cart:*\""),
        ("{ 'B/c' = 'call' }", ".\"B/c\": processes of another plugin are written as \"plugin/name\"; `B` is not"),
        ("{ 'b/x*y' = 'call' }", ".\"b/x*y\": `x*y` is not a pattern of processes: `*` can only be its last character"),
        ("{ 'b/' = 'call' }", ".\"b/\": `` is not a process's name: use 1 to 256 bytes without control characters"),
        ("{ 'a/x' = 'call' }", ".\"a/x\": not needed: a plugin's own processes are open to it"),
        ("{ 'ship/x' = 'call' }", ".\"ship/x\": there is no plugin `ship`, did you mean `shop/x`?"),
    ] {
        let text = format!("{}\n[plugins.shop]\nsource = 's'", plugin(&format!("grants.processes = {granted}")));
        check(&text, &format!("plugins.a.grants.processes{expected}"));
    }
}
