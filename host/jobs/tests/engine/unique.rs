use std::sync::Arc;

use skep_jobs::{JobSpec, Jobs, Outcome, Parts, UniqueSpec};
use skep_store::{Commit, Conflict, JobFilter, JobState, Replace, StateSet};
use tokio::sync::Barrier;

use crate::{Rig, plugin, secs, spec};

fn only_one() -> JobSpec {
    JobSpec { unique: Some(UniqueSpec::default()), ..spec("a") }
}

/// One of the ways to insert it, each with other jobs beside it that are not unique.
async fn insert(jobs: Jobs, store: Arc<dyn skep_store::Store>, way: usize) -> Vec<skep_store::Inserted> {
    match way % 3 {
        0 => jobs.enqueue(&plugin(), vec![only_one()]).await.unwrap(),
        1 => {
            let specs = vec![only_one(), JobSpec { args: way.to_string().into(), ..spec("b") }, only_one()];
            jobs.enqueue(&plugin(), specs).await.unwrap()
        }
        _ => {
            let mut commit = Commit::new(plugin(), crate::START_MS);
            commit.jobs = jobs.prepare(&plugin(), vec![only_one()]).unwrap();
            store.commit(commit).await.unwrap().jobs
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_who_insert_it_at_once_singly_and_in_bulk_make_one_row() {
    let rig = Rig::bare(crate::quiet_options());
    rig.configure(crate::two_jobs(1), 1);
    let barrier = Arc::new(Barrier::new(100));
    let tasks: Vec<_> = (0..100)
        .map(|way| {
            let (jobs, store, barrier) = (rig.jobs.clone(), Arc::clone(&rig.store), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                insert(jobs, store, way).await
            })
        })
        .collect();
    let mut first = 0;
    let mut ids = std::collections::BTreeSet::new();
    for (way, task) in tasks.into_iter().enumerate() {
        let inserted = task.await.unwrap();
        let unique = if way % 3 == 1 { vec![inserted[0], inserted[2]] } else { inserted };
        first += unique.iter().filter(|one| !one.was_there).count();
        ids.extend(unique.iter().map(|one| one.id));
    }
    assert_eq!((first, ids.len()), (1, 1));
    let filter = JobFilter { name: Some(crate::name("a")), ..JobFilter::default() };
    assert_eq!(rig.store.jobs(filter, None, 100).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn it_keeps_others_out_for_its_period_in_its_states() {
    let rig = Rig::new(1);
    let inserted = |inserted: Vec<skep_store::Inserted>| (inserted[0].id, inserted[0].was_there);
    let enqueue = async |spec: JobSpec| inserted(rig.jobs.enqueue(&plugin(), vec![spec]).await.unwrap());
    let (first, _) = enqueue(only_one()).await;
    // By arguments, queue and name.
    assert!(!enqueue(JobSpec { args: "other".into(), ..only_one() }).await.1);
    assert!(!enqueue(JobSpec { queue: Some(crate::name("default")), ..only_one() }).await.1);
    assert!(!enqueue(JobSpec { name: crate::name("b"), ..only_one() }).await.1);
    assert_eq!(enqueue(only_one()).await, (first, true));
    // Completed counts too, until its period is over.
    rig.all_begun().await.into_iter().for_each(crate::Attempt::done);
    assert_eq!(rig.state(first).await, JobState::Completed);
    rig.pass(secs(59)).await;
    assert_eq!(enqueue(only_one()).await, (first, true));
    rig.pass(secs(1)).await;
    assert!(!enqueue(only_one()).await.1);
}

#[tokio::test]
async fn what_becomes_of_the_new_one_is_as_its_author_says() {
    let rig = Rig::new(1);
    let later = |priority: u8, unique: UniqueSpec| JobSpec {
        run_at: Some(crate::START_MS + 600_000),
        priority: Some(priority),
        unique: Some(unique),
        ..spec("a")
    };
    let by_name = || UniqueSpec { by: Parts::default(), key: Some("k".into()), period: None, ..UniqueSpec::default() };
    let first = rig.enqueue(later(1, by_name())).await;
    let refuse = UniqueSpec { conflict: Conflict::Refuse, ..by_name() };
    let refused = rig.jobs.enqueue(&plugin(), vec![spec("b"), later(2, refuse)]).await;
    assert_eq!(refused, Err(skep_jobs::Error::Commit(skep_store::CommitError::Duplicate(1))));
    rig.nothing_begins().await;
    let states = StateSet::of(&[JobState::Scheduled]);
    let replace = Replace { states, priority: true, run_at: true, ..Replace::default() };
    let sooner = UniqueSpec { replace, ..by_name() };
    let spec = JobSpec { run_at: None, ..later(0, sooner) };
    assert_eq!(rig.enqueue(spec).await, first);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.job.priority), (first, 0));
    attempt.end(Outcome::Done(None));
}
