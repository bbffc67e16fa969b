use skep_jobs::{JobSpec, Options, Outcome, OutcomeKind};
use skep_store::JobState;

use crate::ground::Fault;
use crate::{Rig, quiet_options, secs, spec, two_jobs};

#[tokio::test]
async fn an_end_is_kept_until_the_store_takes_it() {
    let rig = Rig::new(1);
    let id = rig.enqueue(spec("a")).await;
    let attempt = rig.begun().await;
    rig.ground.faults.lock().extend([Fault::Unavailable; 30]);
    attempt.done();
    rig.settle().await;
    assert!(rig.stage.ended.lock().is_empty());
    rig.pass(secs(60)).await;
    assert_eq!(rig.job(id).await.attempt, 1, "its lease was kept");
    assert_eq!(*rig.stage.ended.lock(), [(id, 1, OutcomeKind::Completed)]);
    rig.nothing_begins().await;
}

#[tokio::test]
async fn an_end_of_which_nothing_is_known_is_written_once() {
    for fault in [Fault::UnknownWritten, Fault::UnknownLost] {
        let rig = Rig::new(1);
        let id = rig.enqueue(spec("a")).await;
        let attempt = rig.begun().await;
        rig.ground.faults.lock().push_back(fault);
        attempt.done();
        rig.pass(secs(20)).await;
        assert_eq!((rig.job(id).await.state, rig.job(id).await.attempt), (JobState::Completed, 1));
        assert_eq!(*rig.stage.ended.lock(), [(id, 1, OutcomeKind::Completed)], "{fault:?}");
        rig.nothing_begins().await;
    }
}

#[tokio::test]
async fn a_lease_of_which_nothing_is_known_costs_no_attempt() {
    let rig = Rig::new(1);
    rig.settle().await;
    // The only attempt that it has.
    let id = rig.enqueue_quietly(JobSpec { max_attempts: Some(1), ..spec("a") }).await;
    rig.ground.faults.lock().push_back(Fault::UnknownWritten);
    rig.jobs.look();
    rig.pass(secs(5)).await;
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.job.attempt), (id, 1));
    attempt.done();
    assert_eq!(rig.state(id).await, JobState::Completed);
}

#[tokio::test]
async fn one_end_that_the_store_refuses_holds_up_no_other() {
    let rig = Rig::bare(Options { ..quiet_options() });
    rig.configure(two_jobs(3), 1);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(rig.enqueue(spec("a")).await);
    }
    let attempts = rig.all_begun().await;
    // All at once, then the first one alone, and its shorter version.
    rig.ground.faults.lock().extend([Fault::SettleTooLarge; 2]);
    attempts.into_iter().for_each(crate::Attempt::done);
    rig.pass(secs(10)).await;
    let mut states = Vec::new();
    for id in &ids {
        states.push(rig.state(*id).await);
    }
    assert_eq!(states, [JobState::Discarded, JobState::Completed, JobState::Completed]);
    assert!(rig.errors(ids[0]).await[0].contains("the store refuses"));
    let id = rig.enqueue(spec("a")).await;
    rig.begun().await.end(Outcome::Done(None));
    assert_eq!(rig.state(id).await, JobState::Completed);
}

#[tokio::test]
async fn a_store_that_fails_at_the_start_is_waited_for() {
    let ground = crate::ground::Ground::sqlite();
    ground.faults.lock().extend([Fault::Unavailable; 8]);
    let rig = Rig::on(ground, crate::clock(), quiet_options());
    rig.configure(two_jobs(1), 1);
    rig.pass(secs(10)).await;
    rig.enqueue(spec("a")).await;
    rig.begun().await.done();
}

impl Rig {
    /// Inserts a job of which nobody hears: the poll finds it.
    pub async fn enqueue_quietly(&self, spec: JobSpec) -> skep_store::JobId {
        self.ground.deaf(true);
        let id = self.enqueue(spec).await;
        self.ground.deaf(false);
        self.nothing_begins().await;
        id
    }
}

#[tokio::test]
async fn a_wake_up_that_was_missed_is_made_up_for() {
    let rig = Rig::new(1);
    rig.settle().await;
    let id = rig.enqueue_quietly(spec("a")).await;
    rig.pass(secs(5)).await;
    assert_eq!(rig.begun().await.id(), id);
}
