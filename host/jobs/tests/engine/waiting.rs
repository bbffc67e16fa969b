use std::time::Duration;

use skep_jobs::{Error, JobSpec, Limits, Options, Outcome};
use skep_store::{After, Ends, JobState};

use crate::{Rig, plugin, quiet_options, secs, spec, two_jobs};

#[tokio::test]
async fn an_end_is_awaited_by_many_and_answered_at_once_if_it_was() {
    let rig = Rig::new(1);
    let id = rig.enqueue(spec("a")).await;
    let jobs = &rig.jobs;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let jobs = jobs.clone();
            tokio::spawn(async move { jobs.await_end(id, Some(&plugin()), secs(60)).await })
        })
        .collect();
    rig.settle().await;
    assert_eq!(jobs.waiting(), 20);
    rig.begun().await.end(Outcome::Done(Some("42".into())));
    for wait in waiting {
        assert_eq!(wait.await.unwrap().unwrap().job.output.unwrap(), "42");
    }
    assert_eq!(jobs.await_end(id, None, Duration::ZERO).await.unwrap().job.state, JobState::Completed);
    assert_eq!(jobs.waiting(), 0, "nobody is forgotten");
}

#[tokio::test]
async fn a_wait_ends_by_the_clock_and_its_place_is_free() {
    let limits = Limits { waiters_max: 1, ..Limits::default() };
    let rig = Rig::bare(Options { limits, ..quiet_options() });
    rig.configure(two_jobs(1), 1);
    let id = rig.enqueue(spec("a")).await;
    let jobs = rig.jobs.clone();
    let wait = tokio::spawn(async move { jobs.await_end(id, None, secs(3)).await });
    let attempt = rig.begun().await;
    assert_eq!(rig.jobs.await_end(id, None, secs(3)).await, Err(Error::Full(1)));
    rig.pass(secs(2)).await;
    assert!(!wait.is_finished());
    rig.pass(secs(1)).await;
    assert_eq!(wait.await.unwrap(), Err(Error::Timeout));
    assert_eq!(rig.jobs.waiting(), 0);
    attempt.end(Outcome::Failed("no".into()));
    rig.settle().await;
    assert_eq!(rig.jobs.await_end(id, None, Duration::ZERO).await, Err(Error::Timeout), "retryable is no end");
    assert_eq!(rig.jobs.await_end(skep_store::JobId(99), None, secs(1)).await, Err(Error::NotFound));
}

#[tokio::test]
async fn jobs_after_jobs_and_the_callback_of_a_batch() {
    let rig = Rig::new(10);
    let after = |places: &[usize]| places.iter().map(|at| After::Place(*at)).collect::<Vec<_>>();
    let specs = vec![
        spec("a"),
        spec("a"),
        JobSpec { after: after(&[0, 1]), ..spec("b") },
        JobSpec { after: after(&[0, 1, 2]), ends: Ends::Any, ..spec("b") },
    ];
    let ids: Vec<_> = rig.jobs.enqueue(&plugin(), specs).await.unwrap().into_iter().map(|job| job.id).collect();
    let mut first = rig.all_begun().await;
    assert_eq!(first.iter().map(crate::Attempt::id).collect::<Vec<_>>(), ids[..2]);
    first.pop().unwrap().end(Outcome::Cancel("no".into()));
    rig.nothing_begins().await;
    assert_eq!(rig.state(ids[2]).await, JobState::Cancelled, "one before it did not complete");
    first.pop().unwrap().done();
    let callback = rig.begun().await;
    assert_eq!(callback.id(), ids[3], "any end will do");
    callback.done();
    // A job that is gone counts as completed.
    let late = rig.enqueue(JobSpec { after: vec![After::Job(skep_store::JobId(9_999))], ..spec("a") }).await;
    assert_eq!(rig.begun().await.id(), late);
}
