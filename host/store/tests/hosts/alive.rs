//! Who lives, what a dead host leaves, and how hosts hear of each other.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{
    Changes, Commit, CommitError, DueCursor, JobState, Mail, Outgoing, PostgresOptions, ProcessChange, ProcessTurn,
    Publish, Receiver, Write,
};
use skep_test_postgres::{AtCommit, Proxy, Server};

use crate::child::{job, key, open_at_last, options, plugin, queue};
use crate::turns;
use crate::two::{Host, NOW, Told, commit};

/// With the pauses between them, a minute.
pub(crate) const TRIES: usize = 3_000;

pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What `psql` says, in the schema.
pub(crate) async fn ask(url: &str, sql: &str) -> String {
    let (url, sql) = (url.to_owned(), format!("SET search_path = skep; {sql}"));
    tokio::task::spawn_blocking(move || Server::shared().unwrap().ask(&url, &sql)).await.unwrap()
}

pub(crate) async fn eventually(url: &str, sql: &str, says: &str) {
    let mut said = String::new();
    for _ in 0..TRIES {
        said = ask(url, sql).await;
        if said == says {
            return;
        }
        pause().await;
    }
    panic!("{sql}: {said} instead of {says}");
}

pub(crate) async fn host(options: PostgresOptions) -> Host {
    let told = Arc::new(Told::default());
    let store = open_at_last(options, Arc::clone(&told) as Arc<_>).await;
    Host { store, told }
}

pub(crate) fn message(text: &str) -> Commit {
    let topic = "shop/orders".parse().unwrap();
    let publish = Publish { topic, event: Some("new".to_owned()), data: text.to_owned().into() };
    Commit { messages: vec![Outgoing::Publish(publish)], ..commit() }
}

pub(crate) fn write() -> Commit {
    Commit { writes: vec![Write::Sum { key: key("sum"), by: 1 }], ..commit() }
}

/// Tries until it is answered.
async fn at_last(host: &Host, commit: impl Fn() -> Commit) {
    for _ in 0..TRIES {
        if host.store.commit(commit()).await.is_ok() {
            return;
        }
        pause().await;
    }
    panic!("it does not recover");
}

/// A host that another one takes for dead, and a message that it has committed and told nobody, with what it knows of it.
async fn dies_with_a_message(url: &str, proxy: &Proxy) -> Host {
    let dying = Host::open(proxy.url()).await;
    at_last(&dying, write).await;
    loop {
        // Whatever it commits next, it waits for the answer.
        proxy.at_commit([AtCommit::StallAfter]);
        let done = dying.store.commit(message("left"));
        eventually(url, "SELECT count(*) FROM outbox", "1").await;
        proxy.refuse();
        if done.await.is_err() {
            assert!(dying.told.publishes().is_empty());
            return dying;
        }
        // That was another commit.
        proxy.flow();
        at_last(&dying, write).await;
        eventually(url, "SELECT count(*) FROM outbox", "0").await;
        dying.told.forget();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_host_left_is_told_once() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let dead = dies_with_a_message(&url, &proxy).await;
    let others = [Host::open(&url).await, Host::open(&url).await];
    eventually(&url, "SELECT count(*) FROM outbox", "0").await;
    let told = || others.iter().flat_map(|host| host.told.publishes()).collect::<Vec<_>>();
    assert_eq!(told(), ["left"]);
    // It comes back, under another number, and has nothing to tell.
    proxy.flow();
    at_last(&dead, || message("new")).await;
    eventually(&url, "SELECT count(*) FROM outbox", "0").await;
    assert_eq!((dead.told.publishes(), told()), (vec!["new".to_owned()], vec!["left".to_owned()]));
    eventually(&url, "SELECT count(*) FROM hosts", "3").await;
    assert_eq!(others[0].store.usage().await.unwrap()[0].bytes, dead.store.usage().await.unwrap()[0].bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_starts_tells_what_one_left_that_is_known_to_be_dead() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let _dead = dies_with_a_message(&url, &proxy).await;
    ask(&url, "DELETE FROM hosts").await;
    let host = Host::open(&url).await;
    assert_eq!(host.told.publishes(), ["left"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_told_when_the_connection_is_back() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let host = Host::open(proxy.url()).await;
    at_last(&host, write).await;
    for at in 0..5 {
        proxy.at_commit([AtCommit::CutAfter]);
        let text = format!("message {at}");
        let done = host.store.commit(message(&text)).await;
        at_last(&host, write).await;
        eventually(&url, "SELECT count(*) FROM outbox", "0").await;
        let told = host.told.publishes().iter().filter(|told| **told == text).count();
        // Another connection may have been cut; what was refused was not written.
        let refused = matches!(done, Err(CommitError::Store(skep_store::Error::Unavailable(_))));
        assert_eq!(told, usize::from(!refused), "{text}: {done:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_whose_connections_froze_goes_on_under_another_number() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let (frozen, other) = (Host::open(proxy.url()).await, Host::open(&url).await);
    at_last(&frozen, write).await;
    frozen.told.forget();
    proxy.stall();
    eventually(&url, "SELECT string_agg(id::text, ',') FROM hosts", "2").await;
    at_last(&other, write).await;
    proxy.flow();
    at_last(&frozen, write).await;
    frozen.told.of(|changes| changes.reopened).await;
    eventually(&url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM hosts WHERE id <= 2", "2").await;
    let found = other.store.get(plugin(), vec!["sum".to_owned()], NOW).await.unwrap();
    let sum: u64 = String::from_utf8(found[0].as_ref().unwrap().value.to_vec()).unwrap().parse().unwrap();
    assert!(sum >= 3);
    // It lives, and is not taken for dead again.
    let hosts = ask(&url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM hosts").await;
    for _ in 0..3 {
        let seen = ask(&url, "SELECT max(seen) FROM hosts WHERE id > 2").await;
        eventually(&url, &format!("SELECT max(seen) > '{seen}' FROM hosts WHERE id > 2"), "t").await;
    }
    assert_eq!(ask(&url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM hosts").await, hosts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_dead_because_the_server_was_frozen() {
    let Some(server) = Server::start().map(Arc::new) else { return };
    let url = server.database();
    let hosts = [Host::open(&url).await, Host::open(&url).await];
    let (frozen, at) = (Arc::clone(&server), url.clone());
    let freezes = Arc::clone(&server);
    tokio::task::spawn_blocking(move || freezes.freeze()).await.unwrap();
    // Longer than the time after which a host that says nothing is dead.
    tokio::time::sleep(options(&at).host_timeout * 2).await;
    let said = tokio::task::spawn_blocking(move || {
        frozen.thaw();
        let beaten = "SELECT count(*) FROM skep.hosts WHERE seen > clock_timestamp() - interval '1 second'";
        (0..TRIES).find(|_| frozen.ask(&at, beaten) == "2").unwrap();
        frozen.ask(&at, "SELECT string_agg(id::text, ',' ORDER BY id) FROM skep.hosts")
    });
    assert_eq!(said.await.unwrap(), "1,2");
    for host in &hosts {
        at_last(host, write).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_closes_leaves_nothing_behind() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (a, b) = (Host::open(&url).await, Host::open(&url).await);
    a.store.commit(message("told")).await.unwrap();
    a.store.close().await.unwrap();
    assert_eq!(ask(&url, "SELECT string_agg(id::text, ',') FROM hosts").await, "2");
    assert_eq!(ask(&url, "SELECT count(*) FROM outbox").await, "0");
    b.store.commit(message("also told")).await.unwrap();
    assert_eq!((a.told.publishes(), b.told.publishes()), (vec!["told".to_owned()], vec!["also told".to_owned()]));
}

/// A neighbour whose feed is written by hand: a job of this queue is available.
async fn neighbour(url: &str, host: &Host) {
    host.store.commit(write()).await.unwrap();
    let insert = "INSERT INTO queues(plugin, name) SELECT id, 'mail' FROM plugins;
                  INSERT INTO hosts VALUES (900, clock_timestamp())";
    ask(url, insert).await;
}

async fn tells(url: &str, n: u64, rest: &str) {
    let insert = format!(
        "INSERT INTO feed(host, n, at, queues, taken, fences, ended, states, mail)
         SELECT 900, {n}, clock_timestamp(), array_agg(id), '{{7}}', '{{8}}', '{{9}}', '{{5}}', '{{}}' FROM queues; {rest}"
    );
    ask(url, &insert).await;
}

fn is_told(changes: &Changes) -> bool {
    let job = skep_store::JobId;
    changes.available == [queue()]
        && changes.taken == [(job(7), skep_store::Fence(8))]
        && changes.ended == [(job(9), skep_store::JobState::Completed)]
        && !changes.reopened
}

/// Long enough not to come within a test.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_is_heard_at_once() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let host = host(PostgresOptions { poll: NEVER, host_timeout: NEVER, ..options(&url) }).await;
    neighbour(&url, &host).await;
    for n in 1..4 {
        host.told.forget();
        tells(&url, n, "NOTIFY skep_skep, '900'").await;
        host.told.of(is_told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_is_heard_without_a_bell() {
    let Some(server) = Server::shared() else { return };
    for pooled in [false, true] {
        let url = server.database();
        let host = host(PostgresOptions { pooled, listen: pooled, host_timeout: NEVER, ..options(&url) }).await;
        neighbour(&url, &host).await;
        for n in 1..4 {
            host.told.forget();
            tells(&url, n, "").await;
            host.told.of(is_told).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_missed_something_has_to_look_at_everything() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let host = host(PostgresOptions { host_timeout: NEVER, ..options(&url) }).await;
    neighbour(&url, &host).await;
    tells(&url, 1, "").await;
    host.told.of(is_told).await;
    host.told.forget();
    tells(&url, 3, "").await;
    host.told.of(|changes| changes.reopened && changes.available == [queue()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_host_that_is_dead_are_reclaimed_before_their_time() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let (dies, lives) = (Host::open(proxy.url()).await, Host::open(&url).await);
    let ids = dies.insert(vec![job("a"), job("b")]).await;
    let held = [&dies, &lives].map(|host| host.lease(1, NOW));
    for leased in held {
        assert_eq!(leased.await.len(), 1);
    }
    proxy.refuse();
    eventually(&url, "SELECT string_agg(id::text, ',') FROM hosts", "2").await;
    let (mut reclaimed, _) = lives.store.reclaim(NOW + 1, 10).await.unwrap();
    assert_eq!(reclaimed.len(), 1, "that of the host that lives is its own");
    assert!(ids.contains(&reclaimed.remove(0)));
    let state = |id| lives.store.job(id);
    let mut states = vec![state(ids[0]).await.unwrap().0.state, state(ids[1]).await.unwrap().0.state];
    states.sort_unstable_by_key(|state| *state as u8);
    assert_eq!(states, [JobState::Available, JobState::Executing]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_for_a_process_is_left_to_the_host_that_has_it() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let (owner, other) = (Host::open(proxy.url()).await, Host::open(&url).await);
    let begin = |number: u64| turns::of(ProcessChange::begin(turns::id(number), turns::begin(number.to_string())));
    for number in 0..2 {
        other.store.commit(begin(number)).await.unwrap();
        let turn = ProcessTurn { wake_at: (number == 0).then_some(NOW), ..ProcessTurn::default() };
        owner.store.commit(turns::of(ProcessChange::turn(turns::id(number), 1, turn))).await.unwrap();
    }
    let name = Receiver::Name(plugin(), "1".to_owned());
    for to in [name.clone(), Receiver::Process(turns::id(1)), Receiver::Process(turns::id(7))] {
        other.store.post_mail(plugin(), vec![Mail { to, data: "x".into(), at: None }], NOW).await.unwrap();
    }
    let due = async |host: &Host, now| {
        let page = host.store.processes_due(DueCursor::default(), now, 10).await.unwrap();
        (page.due.into_iter().map(|due| due.to).collect::<Vec<_>>(), page.next)
    };
    let of = |number| Receiver::Process(turns::id(number));
    let all = vec![of(0), name, of(1), of(7)];
    assert_eq!(due(&owner, NOW + 1).await, (all.clone(), None));
    // What nobody has is everybody's; the rest is looked at again when it was left for long.
    assert_eq!(due(&other, NOW + 1).await, (vec![of(7)], Some(NOW + 30_000)));
    assert_eq!(due(&other, NOW + 30_000).await, (all.clone(), None));
    other.told.forget();
    proxy.refuse();
    other.told.of(|changes| changes.mail_due == Some(0)).await;
    assert_eq!(due(&other, NOW + 1).await, (all, None));
    drop(owner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_heard_again_is_not_dead_however_long_ago_he_was_first_heard() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let host = Host::open(&url).await;
    neighbour(&url, &host).await;
    // Whenever the host says that it lives, so does its neighbour.
    let lives = "CREATE FUNCTION lives() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN UPDATE skep.hosts SET seen = clock_timestamp() WHERE id = 900; RETURN NULL; END $$;
                 CREATE TRIGGER lives AFTER UPDATE ON hosts FOR EACH ROW WHEN (NEW.id <> 900) EXECUTE FUNCTION lives();
                 CREATE TABLE began AS SELECT clock_timestamp() AS at";
    ask(&url, lives).await;
    let later = "SELECT seen > at + interval '6 seconds' FROM hosts, began WHERE id <> 900";
    eventually(&url, later, "t").await;
    assert_eq!(ask(&url, "SELECT count(*) FROM hosts WHERE id = 900").await, "1");
    ask(&url, "DROP TRIGGER lives ON hosts").await;
    eventually(&url, "SELECT count(*) FROM hosts WHERE id = 900", "0").await;
}

/// A host that is through with what it does unasked when it starts.
async fn begun(url: &str) -> Host {
    let host = Host::open(url).await;
    host.store.commit(write()).await.unwrap();
    host.store.commit(message("told")).await.unwrap();
    eventually(url, "SELECT count(*) FROM outbox", "0").await;
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_host_had_not_done_to_its_end_is_done_by_one_that_lives() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let _host = begun(&url).await;
    let left = "INSERT INTO hosts VALUES (900, clock_timestamp()); INSERT INTO ending VALUES (77, 1);
                INSERT INTO process_trims VALUES (1, 77, 0, 0, true)";
    ask(&url, left).await;
    eventually(&url, "SELECT count(*) FROM hosts", "1").await;
    eventually(&url, UNDONE, "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_leaves_undone_when_it_closes_is_done_by_one_that_lives() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let _host = begun(&url).await;
    // It beats for long enough to be seen by the other one.
    for _ in 0..20 {
        ask(
            &url,
            "INSERT INTO hosts VALUES (900, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET seen = clock_timestamp()",
        )
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let left = "INSERT INTO ending VALUES (77, 1); INSERT INTO process_trims VALUES (1, 77, 0, 0, true)";
    ask(&url, &format!("{left}; DELETE FROM hosts WHERE id = 900")).await;
    eventually(&url, UNDONE, "0").await;
}

const UNDONE: &str = "SELECT (SELECT count(*) FROM ending) + (SELECT count(*) FROM process_trims)";
