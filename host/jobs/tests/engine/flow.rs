use std::time::Duration;

use bytes::Bytes;
use skep_jobs::{JobSpec, Outcome, OutcomeKind};
use skep_store::JobState;

use crate::{Rig, secs, spec};

#[tokio::test]
async fn a_job_is_done_once_and_its_output_is_kept() {
    let rig = Rig::new(10);
    let id = rig.enqueue(JobSpec { args: "hello".into(), meta: vec![("who".into(), "me".into())], ..spec("a") }).await;
    let attempt = rig.begun().await;
    let job = &attempt.job;
    assert_eq!((job.id, job.attempt, job.max_attempts, job.priority), (id, 1, 3, 5));
    assert_eq!((job.args.as_ref(), job.meta[0].1.as_str()), (b"hello".as_ref(), "me"));
    assert_eq!(attempt.context.timeout, Some(secs(60)), "its definition's");
    attempt.end(Outcome::Done(Some(Bytes::from_static(b"out"))));
    let job = rig.job(id).await;
    assert_eq!((job.state, job.output, job.attempt), (JobState::Completed, Some(Bytes::from_static(b"out")), 1));
    rig.pass(secs(20)).await;
    rig.nothing_begins().await;
    assert_eq!(*rig.stage.ended.lock(), [(id, 1, OutcomeKind::Completed)]);
}

#[tokio::test]
async fn a_failed_one_comes_again_on_obans_curve_until_its_attempts_are_used_up() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("a")).await;
    for (attempt, least) in [(1, 17), (2, 19)] {
        let begun = rig.begun().await;
        assert_eq!(begun.job.attempt, attempt);
        begun.end(Outcome::Failed(format!("error {attempt}")));
        assert_eq!(rig.state(id).await, JobState::Retryable);
        rig.pass(secs(least - 1)).await;
        rig.nothing_begins().await;
        // A tenth of jitter.
        rig.pass(secs(4)).await;
    }
    rig.begun().await.end(Outcome::Crashed("error 3".into()));
    assert_eq!(rig.state(id).await, JobState::Discarded);
    assert_eq!(rig.errors(id).await, ["error 1", "error 2", "error 3"]);
    rig.pass(secs(100)).await;
    rig.nothing_begins().await;
}

#[tokio::test]
async fn its_author_says_when_it_is_tried_again() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("a")).await;
    rig.begun().await.end(Outcome::FailedRetryIn("later".into(), secs(5)));
    rig.pass(secs(4)).await;
    rig.nothing_begins().await;
    rig.pass(secs(1)).await;
    let again = rig.begun().await;
    assert_eq!((again.id(), again.job.attempt), (id, 2));
}

#[tokio::test]
async fn a_snooze_does_not_use_up_an_attempt() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("a")).await;
    for _ in 0..5 {
        let attempt = rig.begun().await;
        assert_eq!(attempt.job.attempt, 1);
        attempt.end(Outcome::Snooze(secs(3)));
        assert_eq!(rig.state(id).await, JobState::Scheduled);
        rig.pass(secs(3)).await;
    }
    rig.begun().await.done();
    assert_eq!(rig.job(id).await.attempt, 1);
}

#[tokio::test]
async fn it_says_itself_that_it_should_not_be_done() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("a")).await;
    rig.begun().await.end(Outcome::Cancel("unsubscribed".into()));
    assert_eq!(rig.state(id).await, JobState::Cancelled);
    assert_eq!(rig.errors(id).await, ["unsubscribed"]);
}

#[tokio::test]
async fn a_panic_of_the_host_is_an_error_and_the_neighbours_survive() {
    let rig = Rig::new(10);
    *rig.stage.panics.lock() = true;
    let (id, neighbour) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("b")).await);
    drop(rig.begun().await);
    rig.begun().await.done();
    assert_eq!((rig.state(id).await, rig.state(neighbour).await), (JobState::Retryable, JobState::Completed));
    assert_eq!(rig.errors(id).await, ["the host panicked: forgotten"]);
}

#[tokio::test]
async fn an_output_that_is_too_long_is_an_end() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("a")).await;
    rig.begun().await.end(Outcome::Done(Some(vec![0; (1 << 20) + 1].into())));
    assert_eq!(rig.state(id).await, JobState::Discarded);
    assert!(rig.errors(id).await[0].contains("limit of 1048576"));
    let id = rig.enqueue(spec("a")).await;
    rig.begun().await.end(Outcome::Done(Some(vec![0; 1 << 20].into())));
    assert_eq!(rig.state(id).await, JobState::Completed);
}

#[tokio::test]
async fn a_scheduled_one_waits_for_its_time_and_no_longer() {
    let rig = Rig::new(10);
    rig.settle().await;
    let run_at = Some(rig.wall() + 90_500);
    let id = rig.enqueue(JobSpec { run_at, ..spec("a") }).await;
    // One that is earlier moves the alarm.
    let sooner = rig.enqueue(JobSpec { run_at: Some(rig.wall() + 1_500), ..spec("a") }).await;
    rig.pass(Duration::from_millis(1_499)).await;
    rig.nothing_begins().await;
    rig.pass(Duration::from_millis(1)).await;
    let first = rig.begun().await;
    assert_eq!(first.id(), sooner);
    first.done();
    rig.pass(Duration::from_millis(88_999)).await;
    rig.nothing_begins().await;
    rig.pass(Duration::from_millis(1)).await;
    assert_eq!(rig.begun().await.id(), id);
}
