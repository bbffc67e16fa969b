//! Many at once: unique jobs, fences, groups, those that wait for many.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_store::{
    After, CommitError, Conflict, Ends, Error, Fence, JobFilter, JobState, Lost, Op, Replace, Settle, Settled,
    StateSet, Unique, Write,
};

use crate::{Fixture, NOW, commit, job, key, lease, plugin, queue, set};

crate::on_every_backend! {
    a_hundred_inserters_make_one_job,
    whoever_comes_late_changes_nothing,
    a_refused_commit_leaves_its_group_alone,
    one_end_reaches_all_that_wait_for_it,
    two_ends_reach_all_that_wait_for_them,
    what_one_of_a_group_takes_the_next_does_not_get,
    nobody_waits_for_an_answer_and_it_is_written_all_the_same,
    a_paused_queue_gives_nothing,
}

fn unique() -> Unique {
    Unique {
        key: [1; 16],
        until: None,
        states: StateSet::of(&JobState::ALL),
        conflict: Conflict::Existing,
        replace: Replace::default(),
    }
}

async fn a_hundred_inserters_make_one_job(f: Fixture) {
    let f = Arc::new(f);
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let f = Arc::clone(&f);
            tokio::spawn(async move {
                let mut one = commit(NOW);
                // Some insert it alone, some in bulk, twice, between others.
                one.jobs = vec![job("it")];
                if number % 2 == 0 {
                    one.jobs = vec![job("other"), job("it"), job("it"), job("another")];
                }
                for job in one.jobs.iter_mut().filter(|job| job.args == "it") {
                    job.unique = Some(unique());
                }
                let refuse = number % 5 == 4;
                if refuse {
                    one.jobs.iter_mut().flat_map(|job| &mut job.unique).for_each(|it| it.conflict = Conflict::Refuse);
                }
                f.store.commit(one).await
            })
        })
        .collect();
    let (mut ids, mut new, mut others) = (BTreeSet::new(), 0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(done) if done.jobs.len() == 1 => {
                ids.insert(done.jobs[0].id);
                new += usize::from(!done.jobs[0].was_there);
            }
            Ok(done) => {
                ids.extend([done.jobs[1].id, done.jobs[2].id]);
                new += usize::from(!done.jobs[1].was_there) + usize::from(!done.jobs[2].was_there);
                others += 2;
            }
            Err(error) => assert!(matches!(error, CommitError::Duplicate(_)), "{error:?}"),
        }
    }
    assert_eq!((ids.len(), new), (1, 1));
    let jobs = f.store.jobs(JobFilter::default(), None, 1000).await.unwrap().jobs;
    assert_eq!(jobs.len(), others + 1);
}

async fn whoever_comes_late_changes_nothing(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs.push(job("slow"));
    f.store.commit(one).await.unwrap();
    let first = f.store.settle_and_lease(vec![], Some(lease(1, NOW))).await.unwrap().1.jobs;
    let (id, late) = (first[0].id, first[0].lease.as_ref().unwrap().fence);
    // Alive: three times as long as its lease.
    for beat in 1..4 {
        let now = NOW + beat * 9_000;
        assert!(f.store.heartbeat(vec![(id, late)], now, now + 10_000).await.unwrap().is_empty());
        assert!(f.store.reclaim(now + 9_999, 10).await.unwrap().0.is_empty());
    }
    // Then it stops, and somebody else gets the job.
    let now = NOW + 40_000;
    assert_eq!(f.store.reclaim(now, 10).await.unwrap(), (vec![id], None));
    let second = f.store.settle_and_lease(vec![], Some(lease(1, now))).await.unwrap().1.jobs;
    let fence = second[0].lease.as_ref().unwrap().fence;
    assert!(fence > late && second[0].attempt == 2);
    let settle = |fence: Fence| Settle { id, fence, now, as_: Settled::Completed { output: None } };
    assert_eq!(f.store.heartbeat(vec![(id, late)], now, now + 1).await.unwrap(), [Lost(id)]);
    assert_eq!(f.store.settle(vec![settle(late)]).await.unwrap(), [Err(Lost(id))]);
    assert_eq!(f.store.job(id).await.unwrap().0.state, JobState::Executing);
    // An operator takes it away; its worker is told.
    f.told.take();
    f.store.operate(JobFilter::default(), Op::Cancel, None, now).await.unwrap();
    assert_eq!(f.told.take()[0].taken, [(id, fence)]);
    assert_eq!(f.store.settle(vec![settle(fence)]).await.unwrap(), [Err(Lost(id))]);
    assert_eq!(f.store.job(id).await.unwrap().0.state, JobState::Cancelled);
}

async fn a_refused_commit_leaves_its_group_alone(f: Fixture) {
    let f = Arc::new(f);
    let tasks: Vec<_> = (0..400)
        .map(|number| {
            let f = Arc::clone(&f);
            tokio::spawn(async move {
                let mut one = commit(NOW);
                one.writes = vec![set(&format!("key {number}"), "x"), Write::Sum { key: key("sum"), by: 1 }];
                one.jobs.push(job("x"));
                match number % 4 {
                    0 => one.checks.push(crate::check("sum", Some(u64::MAX))),
                    1 => one.writes.push(Write::Sum { key: key(&format!("key {number}")), by: 1 }),
                    _ => {}
                }
                (number % 4, f.store.commit(one).await)
            })
        })
        .collect();
    for task in tasks {
        match task.await.unwrap() {
            (0, done) => assert_eq!(done.unwrap_err(), CommitError::Conflict(0)),
            (1, done) => assert!(matches!(done, Err(CommitError::Store(Error::Invalid(_))))),
            (_, done) => _ = done.unwrap(),
        }
    }
    let found = f.store.get(plugin("shop"), vec!["sum".into()], NOW).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().value, "200");
    assert_eq!(f.store.usage().await.unwrap()[0].jobs, 200);
}

/// More than are told in one transaction, and those that wait for them.
async fn one_end_reaches_all_that_wait_for_it(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs.push(job("first"));
    let first = f.store.commit(one).await.unwrap().jobs[0].id;
    for _ in 0..12 {
        let mut more = commit(NOW);
        more.jobs = vec![job("waits"); 1000];
        for (at, job) in more.jobs.iter_mut().enumerate() {
            job.after = vec![if at < 500 { After::Job(first) } else { After::Place(at - 500) }];
            if at == 999 {
                job.ends = Ends::Any;
            }
        }
        f.store.commit(more).await.unwrap();
    }
    f.store.operate(JobFilter { ids: vec![first], ..JobFilter::default() }, Op::Cancel, None, NOW).await.unwrap();
    // What is left is worked off unasked, while others write.
    for _ in 0..500 {
        f.store.stage(NOW, 1).await.unwrap();
        let counts = f.store.queue_counts().await.unwrap()[0].counts;
        if counts[0] == 0 {
            assert_eq!(counts, [0, 0, 12, 0, 0, 0, 11_989, 0]);
            let ended: usize = f.told.take().iter().map(|changes| changes.ended.len()).sum();
            assert_eq!(ended, 11_989);
            return;
        }
    }
    panic!("some still wait");
}

/// Together more than are told of one end at once.
async fn two_ends_reach_all_that_wait_for_them(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs = vec![job("first"), job("second")];
    let firsts: Vec<_> = f.store.commit(one).await.unwrap().jobs.iter().map(|job| job.id).collect();
    for at in 0..6 {
        let mut more = commit(NOW);
        more.jobs = vec![job("waits"); 1000];
        more.jobs.iter_mut().for_each(|job| job.after = vec![After::Job(firsts[at % 2])]);
        f.store.commit(more).await.unwrap();
    }
    let both = JobFilter { ids: firsts, ..JobFilter::default() };
    assert_eq!(f.store.operate(both, Op::Cancel, None, NOW).await.unwrap().changed, 2);
    assert_eq!(f.store.queue_counts().await.unwrap()[0].counts, [0, 0, 0, 0, 0, 0, 6_002, 0]);
}

async fn what_one_of_a_group_takes_the_next_does_not_get(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs = vec![job("a"); 30];
    let ids: Vec<_> = f.store.commit(one).await.unwrap().jobs.iter().map(|job| job.id).collect();
    // While the first is written, the others wait, and are one group.
    let busy = f.store.commit(commit(NOW));
    let cancelled = JobFilter { ids: ids[..10].to_vec(), ..JobFilter::default() };
    let cancel = f.store.operate(cancelled, Op::Cancel, None, NOW);
    let mut refused = commit(NOW);
    refused.jobs = vec![skep_store::NewJob { unique: Some(unique()), ..job("b") }; 2];
    refused.jobs[1].unique.as_mut().unwrap().conflict = Conflict::Refuse;
    let refused = f.store.commit(refused);
    let leases: Vec<_> = (0..3).map(|_| f.store.settle_and_lease(vec![], Some(lease(8, NOW)))).collect();
    busy.await.unwrap();
    assert_eq!(cancel.await.unwrap().changed, 10);
    assert_eq!(refused.await.unwrap_err(), CommitError::Duplicate(1));
    let left = [&ids[10..18], &ids[18..26], &ids[26..]];
    for (lease, left) in leases.into_iter().zip(left) {
        let leased: Vec<_> = lease.await.unwrap().1.jobs.iter().map(|job| job.id).collect();
        assert_eq!(leased, left);
    }
}

async fn nobody_waits_for_an_answer_and_it_is_written_all_the_same(f: Fixture) {
    let mut one = commit(NOW);
    one.writes.push(set("a", "1"));
    drop(f.store.commit(one));
    // What comes behind it sees it.
    let mut next = commit(NOW);
    next.checks.push(crate::check("a", Some(1)));
    f.store.commit(next).await.unwrap();
}

async fn a_paused_queue_gives_nothing(f: Fixture) {
    let mut one = commit(NOW);
    one.jobs.push(job("a"));
    f.store.commit(one).await.unwrap();
    let paused = skep_store::QueueState { paused: true, concurrency: None };
    f.store.set_queue_state(queue("mail"), paused).await.unwrap();
    assert!(f.store.settle_and_lease(vec![], Some(lease(1, NOW))).await.unwrap().1.jobs.is_empty());
    f.told.take();
    f.store.set_queue_state(queue("mail"), Default::default()).await.unwrap();
    assert_eq!(f.told.take()[0].available, [queue("mail")]);
    assert_eq!(f.store.settle_and_lease(vec![], Some(lease(1, NOW))).await.unwrap().1.jobs.len(), 1);
}
