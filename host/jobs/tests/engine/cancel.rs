use skep_jobs::{Error, OutcomeKind, StopReason};
use skep_store::{JobFilter, JobId, JobState, Op};
use skep_types::PluginName;

use crate::{Rig, plugin, secs, spec};

#[tokio::test]
async fn a_cancelled_attempt_is_told_to_stop_and_what_comes_of_it_is_not_kept() {
    let rig = Rig::new(1);
    let (id, next) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    assert!(rig.jobs.cancel(id, None).await.unwrap());
    assert_eq!(attempt.stop().reason(), Some(StopReason::Cancelled));
    assert_eq!(rig.state(id).await, JobState::Cancelled);
    rig.settle().await;
    assert_eq!(*rig.stage.ended.lock(), [(id, 1, OutcomeKind::Lost)]);
    assert_eq!(rig.begun().await.id(), next, "its place is free");
    assert!(!rig.jobs.cancel(id, None).await.unwrap(), "it has ended already");
}

#[tokio::test]
async fn one_that_does_not_stop_is_dropped() {
    let rig = Rig::new(1);
    *rig.stage.stubborn.lock() = true;
    let (id, next) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    rig.jobs.cancel(id, None).await.unwrap();
    rig.nothing_begins().await;
    rig.pass(secs(1)).await;
    assert_eq!(rig.begun().await.id(), next);
    attempt.done();
    assert_eq!(rig.state(id).await, JobState::Cancelled);
}

#[tokio::test]
async fn one_that_waits_is_cancelled_and_never_begins() {
    let rig = Rig::new(1);
    let (_, id) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    assert!(rig.jobs.cancel(id, Some(&plugin())).await.unwrap());
    attempt.done();
    rig.nothing_begins().await;
}

#[tokio::test]
async fn nobody_touches_anothers_jobs() {
    let rig = Rig::new(1);
    let id = rig.enqueue(spec("a")).await;
    let stranger = PluginName::new("stranger").unwrap();
    let attempt = rig.begun().await;
    assert_eq!(rig.jobs.cancel(id, Some(&stranger)).await, Err(Error::NotFound));
    assert_eq!(rig.jobs.get(id, Some(&stranger)).await, Err(Error::NotFound));
    assert_eq!(rig.jobs.await_end(id, Some(&stranger), secs(1)).await, Err(Error::NotFound));
    assert_eq!(attempt.stop().reason(), None);
    assert_eq!(rig.jobs.cancel(JobId(99), None).await, Err(Error::NotFound));
}

#[tokio::test]
async fn an_operator_retries_what_was_given_up() {
    let rig = Rig::new(1);
    let id = rig.enqueue(skep_jobs::JobSpec { max_attempts: Some(1), ..spec("a") }).await;
    rig.begun().await.end(skep_jobs::Outcome::Failed("once".into()));
    assert_eq!(rig.state(id).await, JobState::Discarded);
    let filter = JobFilter { state: Some(JobState::Discarded), ..JobFilter::default() };
    assert_eq!(rig.jobs.operate(filter, Op::Retry, None).await.unwrap().changed, 1);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.job.attempt), (id, 2));
    attempt.done();
    let status = rig.jobs.await_end(id, None, secs(1)).await.unwrap();
    assert_eq!((status.job.state, status.last_error.unwrap().error), (JobState::Completed, "once".to_owned()));
}
