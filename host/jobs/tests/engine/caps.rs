use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use skep_jobs::{Options, PluginJobs, QueueOptions, QueueView, RateLimit};
use skep_store::JobState;

use crate::ground::{Fault, Ground};
use crate::{Attempt, Rig, clock, queue, quiet_options, secs, spec, two_jobs};

/// So many at once here and everywhere, and how often.
pub fn under(concurrency: u32, global: Option<u32>, rate: Option<RateLimit>) -> PluginJobs {
    let options = QueueOptions {
        concurrency: NonZeroU32::new(concurrency).unwrap(),
        global_concurrency: global.and_then(NonZeroU32::new),
        rate,
        paused: false,
    };
    PluginJobs { queues: [(crate::name("work"), options)].into(), ..two_jobs(1) }
}

/// So many in 10 s.
fn rate(count: u32) -> Option<RateLimit> {
    NonZeroU32::new(count).map(|count| RateLimit { count, period: secs(10) })
}

/// Two hosts on one store.
fn two(ground: &Arc<Ground>, jobs: &PluginJobs) -> [Rig; 2] {
    let clock = clock();
    [(); 2].map(|()| {
        let options = Options { alone: false, ..quiet_options() };
        let rig = Rig::on(Arc::clone(ground), clock.clone(), options);
        rig.configure(jobs.clone(), 1);
        rig
    })
}

async fn view(rig: &Rig) -> QueueView {
    rig.settle().await;
    rig.jobs.queues().await.unwrap().into_iter().find(|view| view.queue == queue("work")).unwrap()
}

async fn executing(rig: &Rig) -> u64 {
    view(rig).await.counts[JobState::Executing as usize]
}

/// Time passes for both.
async fn pass(rigs: &[Rig; 2], time: Duration) {
    rigs[0].settle().await;
    rigs[0].clock.advance(time);
    rigs.iter().for_each(|rig| rig.jobs.look());
    rigs[0].settle().await;
}

async fn all(rigs: &[Rig; 2]) -> Vec<Attempt> {
    let mut begun = rigs[0].all_begun().await;
    begun.extend(rigs[1].all_begun().await);
    begun
}

#[tokio::test]
async fn hosts_share_the_places_of_a_queue() {
    for ground in [Ground::memory(), Ground::sqlite()] {
        let rigs = two(&ground, &under(4, Some(3), None));
        for _ in 0..20 {
            rigs[0].enqueue(spec("a")).await;
        }
        let mut done = 0;
        let mut running = all(&rigs).await;
        while done < 20 {
            assert!(running.len() <= 3 && executing(&rigs[0]).await <= 3);
            assert!(!running.is_empty() || done == 20, "after {done}");
            running.remove(0).done();
            done += 1;
            running.extend(all(&rigs).await);
        }
        let seen = view(&rigs[0]).await;
        assert_eq!(
            (seen.concurrency, seen.global_concurrency, seen.counts[JobState::Completed as usize]),
            (4, Some(3), 20)
        );
    }
}

#[tokio::test]
async fn whenever_a_job_ends_its_place_is_taken_without_the_clock() {
    for ground in [Ground::memory(), Ground::sqlite()] {
        let rig = Rig::on(ground, clock(), quiet_options());
        rig.configure(under(4, Some(2), None), 1);
        for _ in 0..300 {
            rig.enqueue(spec("a")).await;
        }
        // Ends come while rounds with the store are under way.
        let mut done = 0;
        for round in 0..100_000 {
            for _ in 0..fastrand::usize(0..4) {
                tokio::task::yield_now().await;
            }
            let begun = rig.stage.begun.lock().pop_front();
            done += usize::from(begun.is_some());
            begun.into_iter().for_each(Attempt::done);
            if done == 300 {
                break;
            }
            if round % 20 == 19 {
                rig.settle().await;
                assert_eq!(rig.stage.begun.lock().len(), 2.min(300 - done), "after {done}");
            }
        }
        assert_eq!(done, 300);
    }
}

#[tokio::test]
async fn a_host_that_waits_for_a_place_is_told_when_the_other_gives_it() {
    let rigs = two(&Ground::memory(), &under(4, Some(1), None));
    let first = rigs[0].enqueue(spec("a")).await;
    let [a, b] = &rigs;
    let running = all(&rigs).await.pop().unwrap();
    assert_eq!(running.id(), first);
    // The host that has it takes no more: its plugin is gone.
    let (has, waits) = if executing(a).await == 1 && view(a).await.running == 1 { (a, b) } else { (b, a) };
    has.jobs.detach(&crate::plugin());
    let second = waits.enqueue(spec("a")).await;
    waits.nothing_begins().await;
    running.done();
    assert_eq!(waits.begun().await.id(), second, "at once, without the clock");
}

#[tokio::test]
async fn a_place_that_nobody_tells_of_is_found() {
    let ground = Ground::memory();
    let rigs = two(&ground, &under(4, Some(1), None));
    rigs[0].enqueue(spec("a")).await;
    let running = all(&rigs).await.pop().unwrap();
    let (has, waits) = if view(&rigs[0]).await.running == 1 { (0, 1) } else { (1, 0) };
    rigs[has].jobs.detach(&crate::plugin());
    rigs[waits].enqueue(spec("a")).await;
    rigs[waits].nothing_begins().await;
    ground.deaf(true);
    running.done();
    rigs[waits].nothing_begins().await;
    for _ in 0..5 {
        pass(&rigs, secs(1)).await;
    }
    rigs[waits].begun().await;
}

#[tokio::test]
async fn the_places_of_a_dead_host_come_free_with_its_leases() {
    let ground = Ground::memory();
    let dead = Rig::on(Arc::clone(&ground), clock(), Options { alone: false, ..quiet_options() });
    dead.configure(under(4, Some(2), None), 1);
    for _ in 0..4 {
        // None of them becomes available again, of which the other would hear.
        dead.enqueue(skep_jobs::JobSpec { max_attempts: Some(1), ..spec("a") }).await;
    }
    let had = dead.all_begun().await;
    assert_eq!(had.len(), 2);
    // Its clock stands still from now on.
    ground.forget(&dead.ear);
    let lives = Rig::on(Arc::clone(&ground), clock(), Options { alone: false, ..quiet_options() });
    lives.configure(under(4, Some(2), None), 1);
    lives.nothing_begins().await;
    assert!(lives.jobs.cancel(had[0].id(), None).await.unwrap());
    assert_eq!(lives.all_begun().await.len(), 1, "at once");
    // Between two looks at the queue, which are 5 s apart.
    lives.pass(secs(8)).await;
    assert_eq!((lives.all_begun().await.len(), executing(&lives).await), (1, 2));
}

#[tokio::test]
async fn what_an_operator_cancels_makes_room() {
    let rigs = two(&Ground::sqlite(), &under(4, Some(1), None));
    let first = rigs[0].enqueue(spec("a")).await;
    let _running = all(&rigs).await;
    let second = rigs[0].enqueue(spec("a")).await;
    for rig in &rigs {
        rig.nothing_begins().await;
    }
    assert!(rigs[0].jobs.cancel(first, None).await.unwrap());
    let begun = all(&rigs).await;
    assert_eq!(begun.iter().map(Attempt::id).collect::<Vec<_>>(), [second]);
}

#[tokio::test]
async fn nothing_is_prefetched_of_a_queue_that_has_a_cap() {
    let rig = Rig::bare(Options::default());
    rig.configure(under(2, Some(100), None), 1);
    // With this clock they take no time at all.
    for _ in 0..200 {
        rig.enqueue(spec("a")).await;
        rig.begun().await.done();
    }
    for _ in 0..5 {
        rig.enqueue(spec("a")).await;
    }
    assert_eq!(rig.all_begun().await.len(), 2);
    assert_eq!((view(&rig).await.prefetched, executing(&rig).await), (0, 2));
}

#[tokio::test]
async fn a_lease_that_nobody_knows_of_gives_its_place_back() {
    let rig = Rig::bare(quiet_options());
    rig.configure(under(2, Some(1), None), 1);
    rig.settle().await;
    let id = rig.enqueue_quietly(spec("a")).await;
    rig.ground.faults.lock().push_back(Fault::UnknownWritten);
    rig.jobs.look();
    rig.pass(secs(5)).await;
    let attempt = rig.begun().await;
    assert_eq!((attempt.id(), attempt.job.attempt), (id, 1), "being given back does not count");
    assert_eq!(executing(&rig).await, 1);
}

#[tokio::test]
async fn another_cap_holds_at_once() {
    let rig = Rig::bare(quiet_options());
    rig.configure(under(9, Some(1), None), 1);
    for _ in 0..9 {
        rig.enqueue(spec("a")).await;
    }
    let mut running = rig.all_begun().await;
    assert_eq!(running.len(), 1);
    rig.configure(under(9, Some(4), None), 2);
    running.extend(rig.all_begun().await);
    assert_eq!(running.len(), 4);
    rig.configure(under(9, Some(2), None), 3);
    running.drain(..2).for_each(Attempt::done);
    rig.nothing_begins().await;
    rig.configure(under(9, None, rate(1)), 4);
    assert_eq!(rig.all_begun().await.len(), 1);
    rig.configure(under(9, None, None), 5);
    assert_eq!(rig.all_begun().await.len(), 4);
}

#[tokio::test]
async fn a_lease_under_way_does_not_bring_back_what_a_rate_that_was_lifted_said() {
    for ground in [Ground::memory(), Ground::sqlite()] {
        let rig = Rig::on(ground, clock(), quiet_options());
        rig.configure(under(2, None, rate(1)), 1);
        rig.settle().await;
        rig.ground.given.lock().clear();
        let held = rig.ground.answers.lock().await;
        rig.jobs.enqueue(&crate::plugin(), vec![spec("a"), spec("a")]).await.unwrap();
        let given = || {
            let given = rig.ground.given.lock();
            let of_queue = given.iter().filter(|given| given.queue == queue("work"));
            of_queue.map(|given| (given.caps, given.fences.len())).collect::<Vec<_>>()
        };
        while given().is_empty() {
            tokio::task::yield_now().await;
        }
        rig.configure(under(2, None, None), 2);
        // The queue takes note of it, and waits on.
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
        drop(held);
        assert_eq!(rig.all_begun().await.len(), 2, "at once");
        let given = given();
        assert!(given[0].0.rate.is_some() && given[0].1 == 1 && given[1].0.is_empty(), "{given:?}");
    }
}

#[tokio::test]
async fn a_rate_is_kept_in_every_window_and_starves_nobody() {
    let rig = Rig::bare(Options::default());
    rig.configure(under(3, None, rate(5)), 1);
    for _ in 0..20 {
        rig.enqueue(spec("a")).await;
    }
    let mut begun: Vec<u64> = Vec::new();
    for _ in 0..120 {
        loop {
            let attempts = rig.all_begun().await;
            if attempts.is_empty() {
                break;
            }
            begun.extend(attempts.iter().map(|_| rig.wall()));
            attempts.into_iter().for_each(crate::Attempt::done);
        }
        rig.pass(Duration::from_millis(500)).await;
    }
    assert_eq!(begun.len(), 20, "all were begun");
    for at in &begun {
        let in_window = begun.iter().filter(|other| (*at..*at + 10_000).contains(*other)).count();
        assert!(in_window <= 5, "{in_window} within 10 s");
    }
    assert!(begun[19] - begun[0] < 32_000, "nothing waits for longer than it has to");
}

#[tokio::test]
async fn a_rate_is_of_both_hosts_and_over_restarts() {
    let ground = Ground::sqlite();
    let rigs = two(&ground, &under(9, None, rate(4)));
    for _ in 0..12 {
        rigs[0].enqueue(spec("a")).await;
    }
    let began = all(&rigs).await;
    assert_eq!(began.len(), 4);
    began.into_iter().for_each(Attempt::done);
    pass(&rigs, secs(5)).await;
    for rig in &rigs {
        rig.nothing_begins().await;
        rig.jobs.stop().await;
    }
    let next = Rig::on(ground, rigs[0].clock.clone(), quiet_options());
    next.configure(under(9, None, rate(4)), 1);
    next.nothing_begins().await;
    next.pass(secs(4)).await;
    next.nothing_begins().await;
    next.pass(secs(2)).await;
    assert_eq!(next.all_begun().await.len(), 4);
}
