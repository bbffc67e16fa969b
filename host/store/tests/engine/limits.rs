//! What is refused, and that the neighbours do not suffer.

use bytes::Bytes;
use skep_store::{
    After, Area, CommitError, Error, JobState, Key, ListRequest, Outgoing, Publish, Settle, Settled, Write,
};

use crate::backend::Room;
use crate::{Fixture, NOW, commit, job, key, lease, plugin, set};

crate::on_every_backend! {
    keys_values_and_commits_have_bounds,
    jobs_have_bounds,
    a_quota_bounds_one_plugin_and_lets_it_make_room,
    a_full_queue_refuses_at_once,
    errors_are_cut_and_the_last_ones_are_kept,
    what_the_host_keeps_for_a_plugin_is_beside_what_it_writes,
}

async fn refused(f: &Fixture, one: skep_store::Commit) -> Error {
    match f.store.commit(one).await.unwrap_err() {
        CommitError::Store(error) => error,
        other => panic!("{other:?}"),
    }
}

async fn keys_values_and_commits_have_bounds(f: Fixture) {
    let writes = |writes: Vec<Write>| skep_store::Commit { writes, ..commit(NOW) };
    let large = |bytes: usize| Write::Set { key: key("a"), value: Bytes::from(vec![0; bytes]), expires: None };
    assert_eq!(refused(&f, writes(vec![set(&"k".repeat(1025), "")])).await, Error::TooLarge(1024));
    assert!(matches!(refused(&f, writes(vec![set("", "")])).await, Error::Invalid(_)));
    assert!(matches!(refused(&f, writes(vec![set("a\nb", "")])).await, Error::Invalid(_)));
    assert_eq!(refused(&f, writes(vec![large((1 << 20) + 1)])).await, Error::TooLarge(1 << 20));
    assert_eq!(refused(&f, writes(vec![large(1 << 20); 9])).await, Error::TooLarge(8 << 20));
    assert_eq!(refused(&f, writes(vec![Write::Delete(key("a")); 1001])).await, Error::TooLarge(1000));
    f.store.commit(writes(vec![set(&"k".repeat(1024), "x"), large(1 << 20)])).await.unwrap();
    f.store.commit(writes(vec![Write::Delete(key("a")); 1000])).await.unwrap();
}

async fn jobs_have_bounds(f: Fixture) {
    let jobs = |jobs| skep_store::Commit { jobs, ..commit(NOW) };
    let with = |change: fn(&mut skep_store::NewJob)| {
        let mut one = job("a");
        change(&mut one);
        jobs(vec![one])
    };
    assert!(matches!(refused(&f, with(|job| job.priority = 10)).await, Error::Invalid(_)));
    assert!(matches!(refused(&f, with(|job| job.max_attempts = 0)).await, Error::Invalid(_)));
    assert!(matches!(refused(&f, with(|job| job.after = vec![After::Place(0)])).await, Error::Invalid(_)));
    assert_eq!(refused(&f, with(|job| job.args = vec![0; (1 << 20) + 1].into())).await, Error::TooLarge(1 << 20));
    // A queue costs memory for good.
    for hundred in 0..10 {
        let queue = |number| format!("queue-{hundred}-{number}");
        let with = |number| skep_store::NewJob { queue: crate::name(&queue(number)), ..job("a") };
        f.store.commit(jobs((0..100).map(with).collect())).await.unwrap();
    }
    assert!(matches!(refused(&f, with(|job| job.queue = crate::name("one-more"))).await, Error::Invalid(_)));
    let mut other = jobs(vec![job("a")]);
    other.plugin = plugin("other");
    f.store.commit(other).await.unwrap();
}

async fn a_quota_bounds_one_plugin_and_lets_it_make_room(f: Fixture) {
    f.store.set_quota(plugin("shop"), 2_000);
    let write = |text: &str, bytes: usize| {
        let write = Write::Set { key: key(text), value: vec![0; bytes].into(), expires: None };
        skep_store::Commit { writes: vec![write], ..commit(NOW) }
    };
    f.store.commit(write("a", 1_000)).await.unwrap();
    assert_eq!(refused(&f, write("b", 1_000)).await, Error::Quota(2_000));
    let mut jobs = commit(NOW);
    jobs.jobs = vec![job("1"); 4];
    assert_eq!(refused(&f, jobs.clone()).await, Error::Quota(2_000));
    let topic = "shop/orders".parse().unwrap();
    let mut message = commit(NOW);
    message.messages.push(Outgoing::Publish(Publish { topic, event: None, data: vec![0; 1_000].into() }));
    assert_eq!(refused(&f, message).await, Error::Quota(2_000));
    jobs.jobs.truncate(2);
    f.store.commit(jobs).await.unwrap();
    // A job at work can end, whatever it brings.
    let leased = f.store.settle_and_lease(vec![], Some(lease(1, NOW))).await.unwrap().1.jobs;
    let fence = leased[0].lease.as_ref().unwrap().fence;
    let as_ = Settled::Completed { output: Some(vec![0; 5_000].into()) };
    f.store.settle(vec![Settle { id: leased[0].id, fence, now: NOW, as_ }]).await.unwrap()[0].unwrap();
    // Over its quota, it may make room, and another plugin is as before.
    f.store.commit(write("a", 10)).await.unwrap();
    assert_eq!(refused(&f, write("a", 11)).await, Error::Quota(2_000));
    let mut other = write("a", 3_000);
    other.plugin = plugin("other");
    other.writes = vec![Write::Set {
        key: skep_store::Key::of_plugin(plugin("other"), "a"),
        value: vec![0; 3_000].into(),
        expires: None,
    }];
    f.store.commit(other).await.unwrap();
    f.store.prune(JobState::Completed, NOW + 1, 10).await.unwrap();
    f.store.commit(write("a", 500)).await.unwrap();
    assert_eq!(
        f.store.usage().await.unwrap().iter().find(|one| one.plugin == plugin("shop")).unwrap().quota,
        Some(2_000)
    );
}

async fn a_full_queue_refuses_at_once(f: Fixture) {
    f.store.close().await.unwrap();
    let store = f.home.open(Room::Little, &f.told).await;
    let write = |bytes: usize| {
        let write = Write::Set { key: key("a"), value: vec![0; bytes].into(), expires: None };
        store.commit(skep_store::Commit { writes: vec![write], ..commit(NOW) })
    };
    let mut waiting = Vec::new();
    for _ in 0..2_000 {
        waiting.push(write(10));
    }
    let mut busy = 0;
    for one in waiting {
        match one.await {
            Ok(_) => {}
            Err(CommitError::Store(Error::Busy)) => busy += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(busy > 0);
    // It is over as soon as there is room; one that is larger than all the room is taken when it is alone.
    write(10_000).await.unwrap();
}

async fn errors_are_cut_and_the_last_ones_are_kept(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs.push(job("a"));
    one.jobs[0].max_attempts = 100;
    let id = f.store.commit(one).await.unwrap().jobs[0].id;
    let mut settles = Vec::new();
    for attempt in 1..=30_u64 {
        let leased = f.store.settle_and_lease(settles, Some(lease(1, NOW))).await.unwrap().1.jobs;
        let fence = leased[0].lease.as_ref().unwrap().fence;
        let error = format!("{attempt} {}", "ü".repeat(4_000));
        settles = vec![Settle { id, fence, now: NOW, as_: Settled::Retryable { error, run_at: NOW } }];
    }
    f.store.settle(settles).await.unwrap()[0].unwrap();
    let (_, attempts) = f.store.job(id).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].attempt, attempts[19].attempt), (20, 11, 30));
    assert!(attempts.iter().all(|attempt| (4_094..=4_096).contains(&attempt.error.len())));
    let bytes = 256 + 1 + attempts.iter().map(|attempt| attempt.error.len() as u64).sum::<u64>();
    assert_eq!(f.store.usage().await.unwrap()[0].bytes, bytes);
}

async fn what_the_host_keeps_for_a_plugin_is_beside_what_it_writes(f: Fixture) {
    let own = |text: &str| Key { area: Area::Host, ..key(text) };
    let mut both = commit(NOW);
    both.writes = vec![set("a", "mine")];
    for text in ["a", "\u{1}a\n", &"é".repeat(640)] {
        both.writes.push(Write::Set { key: own(text), value: "the host's".into(), expires: None });
    }
    f.store.commit(both).await.unwrap();
    let list = async |area: Area, prefix: &str, after: Option<&str>| {
        let (space, prefix, after) = (plugin("shop"), prefix.to_owned(), after.map(str::to_owned));
        let request =
            ListRequest { space, area, prefix, after, limit: 10, bytes_max: 1 << 20, keys_only: true, now: NOW };
        let page = f.store.list(request).await.unwrap();
        page.items.into_iter().map(|item| item.key).collect::<Vec<_>>()
    };
    // Whatever a plugin asks for, it sees its own.
    for (prefix, after) in [("", None), ("", Some("")), ("", Some("\u{1}")), ("", Some("\u{1}b")), ("a", None)] {
        assert_eq!(list(Area::Plugin, prefix, after).await, ["a"], "{prefix:?} {after:?}");
    }
    assert_eq!(list(Area::Plugin, "\u{1}", None).await, [""; 0]);
    let asked = ["a", "\u{1}a", "\u{1}\u{1}a\n"].map(str::to_owned).to_vec();
    let found = f.store.get(plugin("shop"), asked, NOW).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(list(Area::Host, "", None).await, ["\u{1}a\n", "a", &"é".repeat(640)]);
    assert_eq!(list(Area::Host, "a", None).await, ["a"]);
    assert_eq!(list(Area::Host, "", Some("a")).await, ["é".repeat(640)]);
    // It counts against the plugin's quota, and neither is written through the other.
    let bytes = |text: &str, value: &str| (64 + text.len() + value.len()) as u64;
    let host = 3 * (1 + bytes("", "the host's")) + (1 + 3 + 1280);
    assert_eq!(f.store.usage().await.unwrap()[0].bytes, bytes("a", "mine") + host);
    let mut delete = commit(NOW);
    delete.writes = vec![Write::Delete(own("a")), Write::Delete(own("none"))];
    f.store.commit(delete).await.unwrap();
    assert_eq!(list(Area::Plugin, "", None).await, ["a"]);
    for (key, error) in [
        (key("\u{1}a"), Error::Invalid("a key has 1 to 1,024 bytes, and no control characters".to_owned())),
        (key(&"x".repeat(1025)), Error::TooLarge(1024)),
        (own(&"x".repeat(1281)), Error::TooLarge(1280)),
    ] {
        let write = Write::Delete(key);
        assert_eq!(refused(&f, skep_store::Commit { writes: vec![write], ..commit(NOW) }).await, error);
    }
    // What ends is deleted in both.
    let mut ends = commit(NOW);
    ends.writes.push(Write::Set { key: own("b"), value: "".into(), expires: Some(NOW + 5) });
    f.store.commit(ends).await.unwrap();
    assert_eq!(f.store.expire(NOW + 5, 10).await.unwrap(), 1);
    assert_eq!(f.store.usage().await.unwrap()[0].items, 3);
}
