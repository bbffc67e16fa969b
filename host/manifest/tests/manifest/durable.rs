//! What is said about mistakes in stores, jobs, queues and schedules.

use crate::mistakes::{check, plugin};
use crate::parse;

#[test]
fn mistakes_in_the_host_are_explained() {
    for (more, expected) in [
        ("store = 'full'", "store: expected a table, found a string"),
        ("store.durability = 'fsync'", "store.durability: `fsync` is not known here; write \"full\" or \"normal\""),
        ("store.durability = true", "store.durability: expected \"full\" or \"normal\", found true or false"),
        ("store.backend = 'sqlite'", "store.backend: unknown key, the keys here are `durability`"),
        ("store.schema = 'x'", "store.schema: is for a PostgreSQL: write its `url`"),
        ("store.password = { env = 'A' }", "store.password: is for a PostgreSQL: write its `url`"),
        ("store.url = 'mysql://db/skep'", "store.url: is no PostgreSQL"),
        ("store.url = 'postgres://me:hunter2@db/skep'", "store.url: has a password in it: a secret stays out"),
        ("store = { url = 'postgres://me@db/skep', schema = 'pg_x' }", "store.schema: is no name for a schema"),
        ("store = { url = 'postgres://me@db/skep', schema = 'Skep' }", "store.schema: is no name for a schema"),
        ("store = { url = 'postgres://me@db/skep', readers = 0 }", "store.readers: must be at least 1"),
        ("durability = 'full'", "durability: unknown key, did you mean `store.durability`?"),
        ("jobs.keep_completed = '0s'", "jobs.keep_completed: must be at least 1s"),
        ("jobs.keep_failed = '8761h'", "jobs.keep_failed: must be at most 8760h"),
        ("jobs.keep_failed = '7d'", "jobs.keep_failed: `7d` is not a duration: write whole numbers with ms, s, m or h"),
        ("jobs.lease = '500ms'", "jobs.lease: must be at least 1s"),
        ("jobs.lease = '61m'", "jobs.lease: must be at most 1h"),
        ("jobs.shutdown_grace = '2h'", "jobs.shutdown_grace: must be at most 1h"),
        ("jobs.grace = '1s'", "jobs.grace: unknown key, the keys here are `keep_completed`, `keep_failed`, `lease`"),
        ("lease = '1s'", "lease: unknown key, did you mean `jobs.lease`?"),
    ] {
        check(&format!("host.{more}"), &format!("host.{expected}"));
    }
    assert!(parse("host.jobs.shutdown_grace = '0s'").is_ok());
}

#[test]
fn mistakes_in_the_store_of_a_plugin_are_explained() {
    for (more, expected) in [
        ("store.quota = 0", "store.quota: must be at least 4 KiB"),
        ("store.quota = '4096GiB'", "store.quota: must be at most 1024 GiB"),
        ("store.quota = '1 gig'", "store.quota: `1 gig` is not a size"),
        ("store.quotas = 1", "store.quotas: unknown key, did you mean `quota`?"),
        ("quota = '1GiB'", "quota: unknown key, did you mean `store.quota`?"),
        ("store.value_bytes = 0", "store.value_bytes: must be at least 1 B"),
        ("store.value_bytes = '65MiB'", "store.value_bytes: must be at most 64 MiB"),
        ("store = { quota = '64KiB', value_bytes = '65KiB' }", "store.value_bytes: must be at most 64 KiB"),
        ("jobs.timeout = '0s'", "jobs.timeout: must be at least 1ms"),
        ("jobs.timeout = '25h'", "jobs.timeout: must be at most 24h"),
        ("jobs.mail = {}", "jobs.mail: unknown key, the keys here are `timeout`"),
        ("timeout = '1s'", "timeout: unknown key, did you mean `jobs.timeout`?"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
    // A store that is smaller than the default of its values bounds them.
    let small = parse(&plugin("store.quota = '64KiB'")).unwrap();
    assert_eq!(small.plugins[&crate::name("a")].store.value_bytes, skep_types::ByteSize::kib(64));
}

#[test]
fn mistakes_in_grants_of_keys_are_explained() {
    for (more, expected) in [
        ("['shop/*']", ": expected a table such as { \"shop/catalog:*\" = \"read\" }, found an array"),
        ("{ 'shop/*' = 'write' }", ".\"shop/*\": `write` is not known here; write \"read\" or \"read-write\""),
        ("{ 'shop/*' = true }", ".\"shop/*\": expected \"read\" or \"read-write\", found true or false"),
        (
            "{ shop = 'read' }",
            ".shop: says nothing of keys: write \"shop/*\" for all of the plugin, or some, as in \"shop/catalog:*\"",
        ),
        ("{ 'cart:*' = 'read' }", ".\"cart:*\": `cart:*` names no plugin: write it and its keys, as in"),
        ("{ 'Shop/x' = 'read' }", ".\"Shop/x\": keys of another plugin are written as \"plugin/key\"; `Shop` is not"),
        ("{ 'shop/' = 'read' }", ".\"shop/\": `` is not a key: use 1 to 1024 bytes without control characters"),
        ("{ 'shop/a*b' = 'read' }", ".\"shop/a*b\": `a*b` is not a pattern of keys: `*` can only be its last"),
        ("{ 'a/*' = 'read' }", ".\"a/*\": not needed: a plugin's own keys are open to it"),
        ("{ 'shap/x:*' = 'read' }", ".\"shap/x:*\": there is no plugin `shap`, did you mean `shop/x:*`?"),
        ("{ 'nobody/x' = 'read' }", ".\"nobody/x\": there is no plugin `nobody`"),
    ] {
        let text = plugin(&format!("grants.store = {more}\n[plugins.shop]\nsource = 's'"));
        check(&text, &format!("plugins.a.grants.store{expected}"));
    }
}

#[test]
fn mistakes_in_queues_are_explained() {
    for (more, expected) in [
        (" = ['x']", ": expected a table for each queue, `[plugins.NAME.queues.QUEUE]`, found an array"),
        (".Mail = {}", ".Mail: `Mail` is not a queue's name: use 1 to 64 lower-case letters, digits, `-` and `_`"),
        (".x = 5", ".x: expected a table, found a whole number"),
        (".x.concurency = 5", ".x.concurency: unknown key, did you mean `concurrency`?"),
        (".x.concurrency = 0", ".x.concurrency: must be at least 1"),
        (".x.concurrency = 10_001", ".x.concurrency: must be at most 10000"),
        (".x.global_concurrency = 0", ".x.global_concurrency: must be at least 1"),
        (".x.global_concurrency = 10_001", ".x.global_concurrency: must be at most 10000"),
        (".x.global_concurrency = 'all'", ".x.global_concurrency: expected a"),
        (".x.paused = 1", ".x.paused: expected true or false"),
        (
            ".x.rate_limit = '100/min'",
            ".x.rate_limit: expected a table such as { jobs = 100, per = \"1m\" }, found a string",
        ),
        (".x.rate_limit.per = '1m'", ".x.rate_limit: has no `jobs`; write how many may begin"),
        (".x.rate_limit.jobs = 1", ".x.rate_limit: has no `per`; write the time for that many jobs"),
        (".x.rate_limit = { jobs = 0, per = '1m' }", ".x.rate_limit.jobs: must be at least 1"),
        (".x.rate_limit = { jobs = 1_000_001, per = '1m' }", ".x.rate_limit.jobs: must be at most 1000000"),
        (".x.rate_limit = { jobs = 1, per = '0s' }", ".x.rate_limit.per: must be at least 1ms"),
        (".x.rate_limit = { jobs = 1, per = '25h' }", ".x.rate_limit.per: must be at most 24h"),
        (".x.rate_limit = { jobs = 1, per = '1s', burst = 1 }", ".x.rate_limit.burst: unknown key, the keys here are"),
    ] {
        check(&plugin(&format!("queues{more}")), &format!("plugins.a.queues{expected}"));
    }
    check(&plugin("queue.x = {}"), "plugins.a.queue: unknown key, did you mean `limits.queue`?");
}

#[test]
fn mistakes_in_cron_entries_are_explained() {
    let long = format!("{{ schedule = '@daily', job = 'x', args = '{}' }}", "x".repeat(64 << 10));
    for (more, expected) in [
        ("'@daily'", ": expected a table, found a string"),
        ("{ job = 'x' }", ".schedule: missing; write minute, hour, day, month and day of the week, such as"),
        ("{ schedule = '@daily' }", ".job: missing; write which of the plugin's jobs it is"),
        (
            "{ schedule = '@daily', job = 'My Job' }",
            ".job: `My Job` is not a job's name: use 1 to 64 lower-case letters, digits, `-` and `_`",
        ),
        ("{ schedule = '@daily', job = 5 }", ".job: expected a job's name, found a whole number"),
        ("{ schedule = '@daily', job = 'x', queue = 'A' }", ".queue: `A` is not a queue's name"),
        (
            "{ schedule = '@daily', job = 'x', missed = 'none' }",
            ".missed: `none` is not known here; write \"skip\", \"once\" or \"all\"",
        ),
        ("{ schedule = '@daily', job = 'x', timezone = 'UTC' }", ".timezone: unknown key, did you mean `time_zone`?"),
        (
            "{ schedule = '@daily', job = 'x', time_zone = 'Europe/Berln' }",
            ".time_zone: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?",
        ),
        (
            "{ schedule = '@daily', job = 'x', time_zone = '+02:00' }",
            ".time_zone: `+02:00` is not a time zone; write a name of the IANA's database, such as \"Europe/Berlin\"",
        ),
        ("{ schedule = '@daily', job = 'x', time_zone = 2 }", ".time_zone: expected a time zone such as"),
        (
            "{ schedule = '@daily', job = 'x', args = { a = [1, nan] } }",
            ".args.a[1]: JSON has no NaN; write a number or a",
        ),
        (long.as_str(), ".args: are 65538 bytes of JSON; at most 65536 go to a job"),
    ] {
        check(&plugin(&format!("cron.x = {more}")), &format!("plugins.a.cron.x{expected}"));
    }
    check(&plugin("cron = []"), "plugins.a.cron: expected a table for each entry, `[plugins.NAME.cron.ENTRY]`, found");
    let good = "{ schedule = '@daily', job = 'x' }";
    check(
        &plugin(&format!("cron.'A b' = {good}")),
        "plugins.a.cron.\"A b\": `A b` is not a cron entry's name: use 1 to",
    );
}

fn entry(schedule: &str) -> String {
    plugin(&format!("cron.x = {{ schedule = \"{schedule}\", job = 'x' }}"))
}

#[test]
fn mistakes_in_schedules_are_explained() {
    for (schedule, expected) in [
        ("", "is not a schedule: it has 0 fields; write minute, hour, day, month and day of the week, such as"),
        ("daily", "is not a schedule: it has one field; write minute,"),
        ("0 3 * *", "is not a schedule: it has 4 fields; write minute,"),
        ("0 0 3 * * *", "is not a schedule: it has 6 fields; write minute,"),
        ("@dayly", "is not a schedule: did you mean `@daily`?"),
        (
            "@often",
            "is not a schedule: the names are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, @re",
        ),
        ("0 3 @daily * *", "is not a schedule: `@daily` is no day of the month: write 1 to 31, `*`, or several as"),
        (
            "61 3 * * *",
            "is not a schedule: `61` is no minute: write 0 to 59, `*`, or several as in \"1,2\", \"1-5\", \"*/2\"",
        ),
        ("0 24 * * *", "is not a schedule: `24` is no hour: write 0 to 23"),
        ("0 3 0 * *", "is not a schedule: `0` is no day of the month: write 1 to 31"),
        ("0 3 * 13 *", "is not a schedule: `13` is no month: write 1 to 12 or jan to dec"),
        ("0 3 * * 8", "is not a schedule: `8` is no day of the week: write 0 to 7 or sun to sat"),
        ("0 5-3 * * *", "is not a schedule: `5-3` is no hour"),
        ("*/0 * * * *", "is not a schedule: `*/0` is no minute"),
        ("1,,2 * * * *", "is not a schedule: `1,,2` is no minute"),
        ("99999999999 * * * *", "is not a schedule: `99999999999` is no minute"),
        ("00001 * * * *", "is not a schedule: `00001` is no minute"),
        ("0 3 L * *", "is not a schedule: `l` is no day of the month"),
        ("0 3 * mon *", "is not a schedule: `mon` is no month"),
        ("0 3 * * +MON", "is not a schedule: `+mon` is no day of the week"),
        ("0 3 30 2 *", "never happens: no year has such a day"),
        ("0 3 31 feb,apr,6,9-11/2 *", "never happens: no year has such a day"),
    ] {
        check(&entry(schedule), &format!("plugins.a.cron.x.schedule: `{schedule}` {expected}"));
    }
    check(&entry(&"1,".repeat(600)), "plugins.a.cron.x.schedule: is longer than 1024 bytes");
    check(&plugin("cron.x = { schedule = 5, job = 'x' }"), "plugins.a.cron.x.schedule: expected a string");
    for schedule in [
        "0 3 * * *",
        " 30 6-8,22 1,15 JAN-mar MON-FRI ",
        "*/15 * * * *",
        "0 0 29 2 *",
        "0 0 31 * *",
        "0 0 30 2 7",
        "59 23 31 12 0",
        "@Daily",
        "@midnight",
        "@reboot",
    ] {
        let read = parse(&entry(schedule));
        assert!(read.is_ok(), "{schedule}: {read:?}");
    }
}

#[test]
fn queues_and_cron_entries_have_a_number() {
    let queues = |number: usize| plugin(&(0..number).map(|at| format!("queues.q{at} = {{}}\n")).collect::<String>());
    assert!(parse(&queues(64)).is_ok());
    check(&queues(65), "plugins.a.queues: has 65 entries; a plugin has at most 64");
    let entry = |at| format!("cron.c{at} = {{ schedule = '@daily', job = 'x' }}\n");
    let entries = |number: usize| plugin(&(0..number).map(entry).collect::<String>());
    assert!(parse(&entries(256)).is_ok());
    check(&entries(257), "plugins.a.cron: has 257 entries; a plugin has at most 256");
}

#[test]
fn a_time_zone_has_the_name_of_the_database() {
    let zone = |text: &str| {
        let text = plugin(&format!("cron.x = {{ schedule = '@daily', job = 'x', time_zone = '{text}' }}"));
        parse(&text).unwrap().plugins[&crate::name("a")].cron["x"].time_zone.clone()
    };
    assert_eq!(["utc", "europe/berlin", "America/New_York"].map(zone), ["UTC", "Europe/Berlin", "America/New_York"]);
}
