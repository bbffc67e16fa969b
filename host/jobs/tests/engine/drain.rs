use std::time::Duration;

use skep_jobs::{Error, Options, Outcome, StopReason, Stopped};
use skep_store::JobState;

use crate::ground::Fault;
use crate::{Rig, plugin, quiet_options, secs, spec, two_jobs};

#[tokio::test]
async fn what_ends_within_the_grace_is_kept_and_the_rest_is_given_back() {
    let rig = Rig::new(2);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(rig.enqueue(spec("a")).await);
    }
    let mut running = rig.all_begun().await;
    let jobs = rig.jobs.clone();
    let stop = tokio::spawn(async move { jobs.stop().await });
    // Longer than the leases: they are kept.
    rig.pass(secs(10)).await;
    running.remove(0).done();
    rig.nothing_begins().await;
    assert_eq!(rig.state(ids[0]).await, JobState::Completed);
    assert!(!stop.is_finished());
    assert_eq!(running[0].stop().reason(), None);
    rig.pass(secs(5)).await;
    assert_eq!(running[0].stop().reason(), Some(StopReason::Shutdown));
    assert_eq!(stop.await.unwrap(), Stopped { interrupted: 1, left: 0 });
    for id in &ids[1..] {
        let job = rig.job(*id).await;
        assert_eq!((job.state, job.attempt), (JobState::Available, 0), "it does not count");
    }
    assert_eq!(rig.jobs.configure(&plugin(), two_jobs(1), rig.stage.performer(2)), Err(Error::Stopping));
    assert_eq!(rig.jobs.stop().await.left, 0, "again");
}

#[tokio::test]
async fn an_idle_host_stops_at_once() {
    let rig = Rig::new(2);
    rig.enqueue(spec("a")).await;
    rig.begun().await.done();
    rig.settle().await;
    assert_eq!(rig.jobs.stop().await, Stopped { interrupted: 0, left: 0 });
}

#[tokio::test]
async fn it_ends_whatever_the_attempts_and_the_store_do() {
    let rig = Rig::new(2);
    *rig.stage.stubborn.lock() = true;
    let id = rig.enqueue(spec("a")).await;
    let _stubborn = rig.begun().await;
    rig.ground.faults.lock().extend([Fault::Unavailable; 100_000]);
    let jobs = rig.jobs.clone();
    let stop = tokio::spawn(async move { jobs.stop().await });
    rig.pass(secs(15 + 1 + 5)).await;
    rig.settle().await;
    assert_eq!(stop.await.unwrap(), Stopped { interrupted: 1, left: 1 });
    rig.ground.faults.lock().clear();
    assert_eq!(rig.state(id).await, JobState::Executing);
    // Another host takes it.
    let next = Rig::on(rig.ground.clone(), rig.clock.clone(), quiet_options());
    next.configure(two_jobs(1), 1);
    assert_eq!(next.begun().await.id(), id);
}

#[tokio::test]
async fn what_is_done_when_it_is_told_to_stop_is_done() {
    let rig = Rig::bare(Options { grace: Duration::ZERO, ..quiet_options() });
    rig.configure(two_jobs(2), 1);
    *rig.stage.stubborn.lock() = true;
    let (done, failed) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let mut running = rig.all_begun().await;
    let jobs = rig.jobs.clone();
    let stop = tokio::spawn(async move { jobs.stop().await });
    rig.settle().await;
    running.remove(0).done();
    running.remove(0).end(Outcome::Failed("interrupted".into()));
    stop.await.unwrap();
    assert_eq!((rig.state(done).await, rig.state(failed).await), (JobState::Completed, JobState::Available));
    assert!(rig.errors(failed).await.is_empty());
}

#[tokio::test]
async fn who_waits_for_an_end_is_told() {
    let rig = Rig::new(1);
    let id = rig.enqueue(skep_jobs::JobSpec { run_at: Some(rig.wall() + 60_000), ..spec("a") }).await;
    let jobs = rig.jobs.clone();
    let wait = tokio::spawn(async move { jobs.await_end(id, None, secs(600)).await });
    rig.settle().await;
    rig.jobs.stop().await;
    assert_eq!(wait.await.unwrap(), Err(Error::Stopping));
}
