use std::collections::BTreeMap;

use skep_jobs::{Definition, Error, JobSpec, OutcomeKind, PluginJobs};
use skep_store::{JobState, Waiting};

use crate::ground::Fault;
use crate::{Rig, name, plugin, queue, quiet_options, secs, spec, two_jobs};

#[tokio::test]
async fn an_unknown_name_waits_for_a_revision_that_knows_it() {
    let rig = Rig::new(10);
    let id = rig.enqueue(spec("later")).await;
    rig.nothing_begins().await;
    let job = rig.job(id).await;
    assert_eq!((job.state, job.waiting, job.attempt), (JobState::Suspended, Some(Waiting::Revision), 0));
    assert_eq!(rig.stage.ended.lock().last(), Some(&(id, 1, OutcomeKind::Unknown)));
    rig.pass(secs(60)).await;
    rig.nothing_begins().await;

    let mut jobs = two_jobs(10);
    let later = Definition { name: name("later"), ..jobs.definitions[0].clone() };
    jobs.definitions.push(later);
    rig.configure(jobs, 2);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.job.attempt, attempt.revision), (id, 1, 2));
}

#[tokio::test]
async fn a_revision_that_comes_while_a_name_is_set_aside_is_not_missed() {
    let rig = Rig::new(10);
    // That its name is not known cannot be written yet.
    rig.ground.faults.lock().extend([Fault::SettleUnavailable; 3]);
    let id = rig.enqueue(spec("later")).await;
    assert_eq!(rig.state(id).await, JobState::Executing);
    let mut jobs = two_jobs(10);
    jobs.definitions.push(Definition { name: name("later"), ..jobs.definitions[0].clone() });
    rig.configure(jobs, 2);
    rig.pass(secs(6)).await;
    assert_eq!(rig.begun().await.id(), id);
}

#[tokio::test]
async fn jobs_at_work_end_with_the_revision_that_they_began_with() {
    let rig = Rig::new(1);
    let (old, new) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    rig.configure(two_jobs(1), 2);
    rig.nothing_begins().await;
    assert_eq!((attempt.revision, attempt.stop().reason()), (1, None));
    attempt.done();
    assert_eq!(rig.state(old).await, JobState::Completed);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.revision), (new, 2));
}

#[tokio::test]
async fn a_plugin_that_goes_begins_nothing_and_may_come_back() {
    let rig = Rig::new(1);
    let (running, waiting) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    rig.jobs.detach(&plugin());
    rig.settle().await;
    attempt.done();
    assert_eq!(rig.state(running).await, JobState::Completed, "what ran ends");
    rig.pass(secs(30)).await;
    rig.nothing_begins().await;
    let view = rig.jobs.queues().await.unwrap().remove(0);
    assert_eq!((view.queue, view.served, view.counts[JobState::Available as usize]), (queue("work"), false, 1));
    rig.configure(two_jobs(1), 2);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.revision), (waiting, 2));
    // Gone and back while something runs: no second worker.
    rig.jobs.detach(&plugin());
    rig.configure(two_jobs(1), 3);
    rig.enqueue(spec("a")).await;
    rig.nothing_begins().await;
    attempt.done();
    assert_eq!(rig.begun().await.revision, 3);
}

#[tokio::test]
async fn queues_that_no_revision_names_any_more_are_emptied() {
    let rig = Rig::new(1);
    let (first, second) = (rig.enqueue(spec("a")).await, rig.enqueue(spec("a")).await);
    let attempt = rig.begun().await;
    let mut jobs = two_jobs(1);
    jobs.queues = BTreeMap::new();
    jobs.definitions.iter_mut().for_each(|definition| definition.queue = name("elsewhere"));
    rig.configure(jobs.clone(), 2);
    attempt.done();
    assert_eq!(rig.state(first).await, JobState::Completed);
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.revision), (second, 2));
    attempt.done();
    // Then they go.
    rig.pass(secs(6)).await;
    assert!(!rig.jobs.queues().await.unwrap().iter().any(|view| view.queue == queue("work") && view.served));

    // Also after a restart, when nobody remembers them.
    rig.ground.deaf(true);
    let left = rig.store.commit(left_over(&rig)).await.unwrap().jobs[0].id;
    rig.jobs.stop().await;
    rig.ground.deaf(false);
    let next = Rig::on(rig.ground.clone(), rig.clock.clone(), quiet_options());
    next.configure(jobs, 3);
    assert_eq!(next.begun().await.id(), left);
}

fn left_over(rig: &Rig) -> skep_store::Commit {
    let mut jobs = rig.jobs.prepare(&plugin(), vec![spec("a")]).unwrap();
    jobs[0].queue = name("forgotten");
    skep_store::Commit { jobs, ..skep_store::Commit::new(plugin(), rig.wall()) }
}

#[tokio::test]
async fn what_breaks_a_rule_changes_nothing() {
    let rig = Rig::new(1);
    let mut bad = two_jobs(1);
    bad.definitions[1].max_attempts = 0;
    let refused = rig.jobs.configure(&plugin(), bad, rig.stage.performer(2));
    assert!(matches!(refused, Err(Error::Invalid(_))));
    rig.enqueue(spec("a")).await;
    assert_eq!(rig.begun().await.revision, 1);
    let unknown = JobSpec { queue: Some(name("nowhere")), ..spec("a") };
    assert!(matches!(rig.jobs.enqueue(&plugin(), vec![unknown]).await, Err(Error::Invalid(_))));
    assert!(PluginJobs::default().check().is_ok());
}
