use std::time::Duration;

use skep_jobs::{JobSpec, Options, Outcome, PluginJobs, QueueView};
use skep_store::JobState;

use crate::{Rig, queue, quiet_options, secs, spec, two_jobs};

async fn view(rig: &Rig) -> QueueView {
    rig.settle().await;
    rig.jobs.queues().await.unwrap().into_iter().find(|view| view.queue == queue("work")).unwrap()
}

#[tokio::test]
async fn no_more_run_at_once_than_the_queue_says() {
    let rig = Rig::new(3);
    for _ in 0..10 {
        rig.enqueue(spec("a")).await;
    }
    let mut running = rig.all_begun().await;
    assert_eq!(running.len(), 3);
    let seen = view(&rig).await;
    assert_eq!((seen.running, seen.prefetched, seen.concurrency, seen.served), (3, 0, 3, true));
    assert_eq!((seen.counts[JobState::Available as usize], seen.counts[JobState::Executing as usize]), (7, 3));
    running.pop().unwrap().done();
    running.pop().unwrap().end(Outcome::Failed(String::new()));
    assert_eq!(rig.all_begun().await.len(), 2);
}

#[tokio::test]
async fn urgent_jobs_go_first_then_old_ones() {
    let rig = Rig::new(1);
    let first = rig.enqueue(spec("a")).await;
    let attempt = rig.begun().await;
    assert_eq!(attempt.id(), first);
    let mut expected = Vec::new();
    for priority in [9, 0, 5, 0] {
        expected.push((priority, rig.enqueue(JobSpec { priority: Some(priority), ..spec("b") }).await));
    }
    expected.sort();
    attempt.done();
    for (_, id) in expected {
        let attempt = rig.begun().await;
        assert_eq!(attempt.id(), id);
        attempt.done();
    }
}

#[tokio::test]
async fn a_paused_queue_begins_nothing_over_restarts_too() {
    let rig = Rig::new(2);
    rig.settle().await;
    let running = rig.enqueue(spec("a")).await;
    let attempt = rig.begun().await;
    rig.jobs.pause(&queue("work"), true).await.unwrap();
    let waiting = rig.enqueue(spec("a")).await;
    rig.nothing_begins().await;
    attempt.done();
    assert_eq!(rig.state(running).await, JobState::Completed, "what runs runs on");
    rig.pass(secs(30)).await;
    rig.nothing_begins().await;
    rig.jobs.stop().await;

    let next = Rig::on(rig.ground.clone(), rig.clock.clone(), quiet_options());
    next.configure(two_jobs(2), 1);
    next.nothing_begins().await;
    assert!(view(&next).await.paused);
    next.jobs.pause(&queue("work"), false).await.unwrap();
    assert_eq!(next.begun().await.id(), waiting);
    assert_eq!(next.jobs.pause(&queue("nobody"), true).await, Err(skep_jobs::Error::NotFound));
}

#[tokio::test]
async fn a_pause_on_another_node_is_seen() {
    let rig = Rig::new(2);
    let other = Rig::on(rig.ground.clone(), rig.clock.clone(), Options { alone: false, ..quiet_options() });
    other.configure(two_jobs(2), 1);
    rig.settle().await;
    rig.jobs.pause(&queue("work"), true).await.unwrap();
    other.pass(secs(5)).await;
    other.enqueue(spec("a")).await;
    other.nothing_begins().await;
}

#[tokio::test]
async fn a_queue_is_scaled_up_and_down() {
    let rig = Rig::new(1);
    for _ in 0..10 {
        rig.enqueue(spec("a")).await;
    }
    let mut running = rig.all_begun().await;
    rig.jobs.scale(&queue("work"), Some(4)).await.unwrap();
    running.extend(rig.all_begun().await);
    assert_eq!(running.len(), 4);
    rig.jobs.scale(&queue("work"), Some(2)).await.unwrap();
    rig.settle().await;
    assert_eq!((view(&rig).await.running, view(&rig).await.concurrency, view(&rig).await.scaled), (4, 2, true));
    running.drain(..2).for_each(crate::Attempt::done);
    rig.nothing_begins().await;
    running.pop().unwrap().done();
    running.extend(rig.all_begun().await);
    assert_eq!(running.len(), 2);
    rig.jobs.scale(&queue("work"), Some(0)).await.unwrap();
    running.drain(..).for_each(crate::Attempt::done);
    rig.nothing_begins().await;
    rig.jobs.scale(&queue("work"), None).await.unwrap();
    assert_eq!(rig.all_begun().await.len(), 1);
}

#[tokio::test]
async fn short_jobs_are_prefetched_and_given_back_when_they_would_wait() {
    let rig = Rig::bare(Options::default());
    rig.configure(two_jobs(1), 1);
    // With this clock they take no time at all.
    for _ in 0..200 {
        rig.enqueue(spec("a")).await;
        rig.begun().await.done();
    }
    for _ in 0..5 {
        rig.enqueue(spec("a")).await;
    }
    let attempt = rig.begun().await;
    assert_eq!((view(&rig).await.running, view(&rig).await.prefetched), (1, 4));
    rig.pass(Duration::from_millis(250)).await;
    let seen = view(&rig).await;
    assert_eq!((seen.prefetched, seen.counts[JobState::Available as usize]), (0, 4), "for others to take");
    attempt.done();
    assert_eq!(rig.begun().await.job.attempt, 1, "being given back does not count");
}

#[tokio::test]
async fn a_pause_gives_back_what_is_prefetched() {
    let rig = Rig::bare(Options::default());
    rig.configure(two_jobs(1), 1);
    for _ in 0..200 {
        rig.enqueue(spec("a")).await;
        rig.begun().await.done();
    }
    for _ in 0..5 {
        rig.enqueue(spec("a")).await;
    }
    let _attempt = rig.begun().await;
    rig.jobs.pause(&queue("work"), true).await.unwrap();
    assert_eq!(view(&rig).await.counts[JobState::Available as usize], 4);
}

#[tokio::test]
async fn a_slow_queue_holds_up_no_other() {
    let rig = Rig::new(1);
    let jobs = two_jobs(1);
    let mut other = jobs.definitions[0].clone();
    (other.name, other.queue) = (crate::name("c"), crate::name("other"));
    rig.configure(PluginJobs { definitions: [jobs.definitions.clone(), vec![other]].concat(), ..jobs }, 1);
    for _ in 0..100 {
        rig.enqueue(spec("a")).await;
    }
    let _slow = rig.begun().await;
    for _ in 0..10 {
        rig.enqueue(spec("c")).await;
        let attempt = rig.begun().await;
        assert_eq!(attempt.job.name, crate::name("c"));
        attempt.done();
    }
}
