use std::sync::Arc;

use skep_jobs::{Options, Outcome, OutcomeKind, StopReason};
use skep_store::JobState;

use crate::{Rig, clock, quiet_options, secs, spec, two_jobs};

fn shared() -> Options {
    Options { alone: false, ..quiet_options() }
}

#[tokio::test]
async fn a_job_three_times_as_long_as_its_lease_runs_once() {
    let one = Rig::bare(shared());
    one.configure(two_jobs(1), 1);
    let two = Rig::on(one.ground.clone(), one.clock.clone(), shared());
    let id = one.enqueue(spec("a")).await;
    let attempt = one.begun().await;
    two.configure(two_jobs(1), 1);
    for _ in 0..18 {
        one.clock.advance(secs(1));
        one.jobs.look();
        two.jobs.look();
        one.settle().await;
        two.nothing_begins().await;
    }
    assert_eq!(attempt.stop().reason(), None);
    attempt.done();
    assert_eq!((one.job(id).await.state, one.job(id).await.attempt), (JobState::Completed, 1));
    assert_eq!(*one.stage.ended.lock(), [(id, 1, OutcomeKind::Completed)]);
}

#[tokio::test]
async fn a_dead_workers_job_is_taken_over_within_ten_seconds_and_its_late_word_is_refused() {
    // Its clock stands still, as that of a stopped process: no heartbeat, nothing.
    let stopped = Rig::bare(shared());
    stopped.configure(two_jobs(1), 1);
    let alive = Rig::on(stopped.ground.clone(), clock(), shared());
    let id = stopped.enqueue(spec("a")).await;
    let late = stopped.begun().await;
    stopped.settle().await;
    alive.configure(two_jobs(1), 1);
    let mut took = 0;
    let attempt = loop {
        alive.pass(secs(1)).await;
        took += 1;
        if let Some(attempt) = alive.stage.begun.lock().pop_front() {
            break attempt;
        }
        assert!(took <= 10, "it is not taken over");
    };
    assert!(took >= 6, "not while the lease held");
    assert_eq!((attempt.id(), attempt.job.attempt), (id, 2));
    // The stopped one comes back, and says that it is done.
    late.end(Outcome::Done(Some("late".into())));
    stopped.settle().await;
    assert_eq!(*stopped.stage.ended.lock(), [(id, 1, OutcomeKind::Lost)]);
    assert_eq!(stopped.state(id).await, JobState::Executing);
    attempt.end(Outcome::Done(Some("right".into())));
    assert_eq!(alive.job(id).await.output.unwrap(), "right");
    assert_eq!(alive.errors(id).await.len(), 1, "the lost attempt is told");
}

#[tokio::test]
async fn who_lost_a_lease_stops() {
    let stopped = Rig::bare(shared());
    stopped.configure(two_jobs(1), 1);
    let alive = Rig::on(stopped.ground.clone(), clock(), shared());
    let id = stopped.enqueue(spec("a")).await;
    let late = stopped.begun().await;
    alive.configure(two_jobs(1), 1);
    alive.pass(secs(10)).await;
    let attempt = alive.begun().await;
    // It wakes up, and learns it from its first heartbeat.
    stopped.pass(secs(3)).await;
    assert_eq!(late.stop().reason(), Some(StopReason::LeaseLost));
    assert_eq!(attempt.stop().reason(), None);
    attempt.done();
    assert_eq!(alive.state(id).await, JobState::Completed);
}

#[tokio::test]
async fn a_host_that_was_stopped_keeps_its_own_jobs() {
    let rig = Rig::new(1);
    let id = rig.enqueue(spec("a")).await;
    let attempt = rig.begun().await;
    // An hour at once: all its leases have run out, and nobody else was there.
    rig.clock.advance(secs(3600));
    rig.jobs.look();
    rig.pass(secs(20)).await;
    rig.nothing_begins().await;
    assert_eq!(attempt.stop().reason(), None);
    attempt.done();
    assert_eq!(rig.job(id).await.attempt, 1);
}

#[tokio::test]
async fn a_host_takes_over_from_the_one_before_at_once() {
    let dead = Rig::new(1);
    let id = dead.enqueue(spec("a")).await;
    let _attempt = dead.begun().await;
    let next = Rig::on(dead.ground.clone(), Arc::clone(&dead.clock), quiet_options());
    next.configure(two_jobs(1), 1);
    let attempt = next.begun().await;
    assert_eq!((attempt.id(), attempt.job.attempt), (id, 2));
}

#[tokio::test]
async fn a_lease_that_cannot_be_extended_ends_the_attempt_only_where_others_may_take_it() {
    for (options, expected) in [(shared(), Some(StopReason::LeaseLost)), (quiet_options(), None)] {
        let rig = Rig::bare(options);
        rig.configure(two_jobs(1), 1);
        let _id = rig.enqueue(spec("a")).await;
        let attempt = rig.begun().await;
        rig.ground.faults.lock().extend([crate::ground::Fault::Unavailable; 10_000]);
        rig.pass(secs(4)).await;
        assert_eq!(attempt.stop().reason(), None);
        rig.pass(secs(4)).await;
        assert_eq!(attempt.stop().reason(), expected);
    }
}

#[tokio::test]
async fn the_last_attempt_of_a_dead_worker_discards() {
    let dead = Rig::new(1);
    let id = dead.enqueue(skep_jobs::JobSpec { max_attempts: Some(1), ..spec("a") }).await;
    let _attempt = dead.begun().await;
    let next = Rig::on(dead.ground.clone(), Arc::clone(&dead.clock), quiet_options());
    next.configure(two_jobs(1), 1);
    next.nothing_begins().await;
    assert_eq!(next.store.job(id).await.unwrap().0.state, JobState::Discarded);
}
