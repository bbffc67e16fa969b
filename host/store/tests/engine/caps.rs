//! Caps of leases: how many are at work, how often they begin, and what gives a place back.

use std::num::NonZeroU32;

use skep_store::{
    Caps, HeldBack, Job, JobFilter, JobState, LeaseRequest, Leased, NewJob, Op, RateCap, Settle, Settled,
};

use crate::backend::Room;
use crate::{Fixture, NOW, commit, job, lease, name, queue};

crate::on_every_backend! {
    no_more_are_at_work_than_may_be,
    whatever_ends_a_job_gives_its_place_back,
    a_late_word_and_one_said_twice_give_no_place_back,
    what_is_at_work_counts_over_restarts,
    a_rate_holds_in_every_stretch_and_over_restarts,
    what_is_given_back_has_begun_all_the_same,
    caps_hold_for_all_of_a_group,
    queues_have_caps_of_their_own,
    whoever_says_no_caps_keeps_to_none,
    the_later_of_both_caps_is_told,
}

fn running(max: u32) -> Caps {
    Caps { running_max: NonZeroU32::new(max), rate: None }
}

fn rate(count: u32, period_ms: u64) -> Caps {
    Caps { running_max: None, rate: NonZeroU32::new(count).map(|count| RateCap { count, period_ms }) }
}

fn under(caps: Caps, limit: usize, now: u64) -> LeaseRequest {
    LeaseRequest { caps, ..lease(limit, now) }
}

fn settle(job: &Job, as_: Settled) -> Settle {
    Settle { id: job.id, fence: job.lease.as_ref().unwrap().fence, now: NOW, as_ }
}

async fn insert(f: &Fixture, jobs: usize) {
    let mut one = commit(NOW);
    one.jobs = vec![NewJob { max_attempts: 1, ..job("x") }; jobs];
    f.store.commit(one).await.unwrap();
}

async fn round(f: &Fixture, settles: Vec<Settle>, request: LeaseRequest) -> Leased {
    let (settled, leased) = f.store.settle_and_lease(settles, Some(request)).await.unwrap();
    assert!(settled.iter().all(Result::is_ok));
    leased
}

async fn no_more_are_at_work_than_may_be(f: Fixture) {
    insert(&f, 10).await;
    let first = round(&f, vec![], under(running(3), 2, NOW)).await;
    assert_eq!((first.jobs.len(), first.held_back), (2, None));
    let second = round(&f, vec![], under(running(3), 9, NOW)).await;
    assert_eq!((second.jobs.len(), second.held_back), (1, Some(HeldBack::Running)));
    let none = round(&f, vec![], under(running(3), 9, NOW)).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    // What is settled makes room in the same write.
    let settles = first.jobs.iter().map(|job| settle(job, Settled::Completed { output: None })).collect();
    let third = round(&f, settles, under(running(3), 9, NOW)).await;
    assert_eq!((third.jobs.len(), third.held_back), (2, Some(HeldBack::Running)));
    // Fewer may be, from now on.
    let none = round(&f, vec![], under(running(1), 9, NOW)).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    let counts = f.store.queue_counts().await.unwrap()[0].counts;
    assert_eq!(counts[JobState::Executing as usize], 3);
    // No more than there are, and nothing holds them back.
    let rest = round(&f, vec![], under(running(30), 20, NOW)).await;
    assert_eq!((rest.jobs.len(), rest.held_back), (5, None));
}

async fn whatever_ends_a_job_gives_its_place_back(f: Fixture) {
    insert(&f, 20).await;
    let ends = [
        Settled::Completed { output: None },
        Settled::Retryable { error: "no".into(), run_at: NOW + 1_000 },
        Settled::Snoozed { run_at: NOW + 1_000 },
        Settled::Cancelled { reason: "no".into() },
        Settled::Discarded { error: "no".into() },
        Settled::Returned,
        Settled::Unknown,
    ];
    let mut leased = round(&f, vec![], under(running(1), 2, NOW)).await;
    for end in ends {
        assert_eq!((leased.jobs.len(), leased.held_back), (1, Some(HeldBack::Running)), "before {end:?}");
        leased = round(&f, vec![settle(&leased.jobs[0], end)], under(running(1), 2, NOW)).await;
    }
    // A lease that ran out counts until the job is reclaimed: here it was its last attempt.
    assert_eq!(round(&f, vec![], under(running(1), 2, NOW + 60_000)).await.held_back, Some(HeldBack::Running));
    assert_eq!(f.store.reclaim(NOW + 60_000, 10).await.unwrap().0, [leased.jobs[0].id]);
    let leased = round(&f, vec![], under(running(1), 2, NOW)).await;
    assert_eq!(leased.jobs.len(), 1);
    let one = JobFilter { ids: vec![leased.jobs[0].id], ..JobFilter::default() };
    f.store.operate(one, Op::Cancel, None, NOW).await.unwrap();
    assert_eq!(round(&f, vec![], under(running(1), 2, NOW)).await.jobs.len(), 1);
    assert_eq!(f.store.reclaim_others("another".to_owned(), NOW).await.unwrap(), 1);
    assert_eq!(round(&f, vec![], under(running(1), 2, NOW)).await.jobs.len(), 1);
}

async fn a_late_word_and_one_said_twice_give_no_place_back(f: Fixture) {
    insert(&f, 9).await;
    let done = |job: &Job| settle(job, Settled::Completed { output: None });
    let late = round(&f, vec![], under(running(2), 5, NOW)).await.jobs;
    assert_eq!(f.store.reclaim(NOW + 10_000, 10).await.unwrap().0.len(), 2);
    let leased = round(&f, vec![], under(running(2), 5, NOW)).await.jobs;
    let settles = late.iter().map(done).collect();
    let (settled, none) = f.store.settle_and_lease(settles, Some(under(running(2), 5, NOW))).await.unwrap();
    assert!(settled.iter().all(Result::is_err));
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    let twice = vec![done(&leased[0]), done(&leased[0])];
    let (settled, one) = f.store.settle_and_lease(twice, Some(under(running(2), 5, NOW))).await.unwrap();
    assert_eq!(settled.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    assert_eq!((one.jobs.len(), one.held_back), (1, Some(HeldBack::Running)));
    let counts = f.store.queue_counts().await.unwrap()[0].counts;
    assert_eq!(counts[JobState::Executing as usize], 2);
}

async fn what_is_at_work_counts_over_restarts(mut f: Fixture) {
    insert(&f, 9).await;
    let leased = round(&f, vec![], under(running(2), 5, NOW)).await.jobs;
    assert_eq!(leased.len(), 2);
    f.store.close().await.unwrap();
    f.store = f.home.open(Room::Usual, &f.told).await;
    let none = round(&f, vec![], under(running(2), 5, NOW)).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    // The worker before may still say what became of them; and what it does not is taken over.
    let one = round(&f, vec![settle(&leased[0], Settled::Completed { output: None })], under(running(2), 5, NOW)).await;
    assert_eq!((one.jobs.len(), one.held_back), (1, Some(HeldBack::Running)));
    assert_eq!(f.store.reclaim_others("another".to_owned(), NOW).await.unwrap(), 2);
    assert_eq!(round(&f, vec![], under(running(2), 5, NOW)).await.jobs.len(), 2);
}

async fn a_rate_holds_in_every_stretch_and_over_restarts(mut f: Fixture) {
    insert(&f, 60).await;
    let caps = rate(5, 1_000);
    let mut begun: Vec<u64> = Vec::new();
    let mut now = NOW + 3;
    while begun.len() < 40 {
        let leased = round(&f, vec![], under(caps, 3, now)).await;
        begun.extend(leased.jobs.iter().map(|_| now));
        let in_stretch = begun.iter().filter(|at| now - **at < 1_000).count();
        assert!(in_stretch <= 5, "{in_stretch} at {now}");
        now = match leased.held_back {
            None => now + 37,
            Some(HeldBack::Rate { again }) => {
                assert!(again > now && again <= now + 1_010, "{again} at {now}");
                let early = round(&f, vec![], under(caps, 3, again - 1)).await;
                assert_eq!((early.jobs.len(), early.held_back), (0, leased.held_back));
                again
            }
            other => panic!("{other:?}"),
        };
        if begun.len().is_multiple_of(4) {
            f.store.close().await.unwrap();
            f.store = f.home.open(Room::Usual, &f.told).await;
        }
    }
    assert!(begun[39] - begun[0] <= 7 * 1_010 + 40 * 37, "nothing waits for longer than it has to");
}

async fn what_is_given_back_has_begun_all_the_same(f: Fixture) {
    insert(&f, 5).await;
    let leased = round(&f, vec![], under(rate(2, 1_000), 2, NOW)).await;
    let settles = leased.jobs.iter().map(|job| settle(job, Settled::Returned)).collect();
    let none = round(&f, settles, under(rate(2, 1_000), 2, NOW + 500)).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Rate { again: NOW + 1_000 })));
    assert_eq!(round(&f, vec![], under(rate(2, 1_000), 2, NOW + 1_000)).await.jobs.len(), 2);
}

async fn caps_hold_for_all_of_a_group(f: Fixture) {
    insert(&f, 40).await;
    // While the first is written, the others wait, and are one group.
    let busy = f.store.commit(commit(NOW));
    let both = Caps { rate: rate(9, 1_000).rate, ..running(7) };
    let refused = f.store.commit({
        let mut refused = commit(NOW);
        refused.checks.push(crate::check("nothing", Some(9)));
        refused
    });
    let leases: Vec<_> = (0..4).map(|_| f.store.settle_and_lease(vec![], Some(under(both, 3, NOW)))).collect();
    busy.await.unwrap();
    refused.await.unwrap_err();
    let mut given = Vec::new();
    for lease in leases {
        given.push(lease.await.unwrap().1);
    }
    assert_eq!(given.iter().map(|leased| leased.jobs.len()).collect::<Vec<_>>(), [3, 3, 1, 0]);
    let settles = given[0].jobs.iter().map(|job| settle(job, Settled::Completed { output: None })).collect();
    let (one, other) = (
        f.store.settle_and_lease(settles, Some(under(both, 9, NOW))),
        f.store.settle_and_lease(vec![], Some(under(both, 9, NOW))),
    );
    let (one, other) = (one.await.unwrap().1, other.await.unwrap().1);
    assert_eq!((one.jobs.len(), other.jobs.len()), (2, 0));
    assert!(matches!(one.held_back, Some(HeldBack::Rate { .. })), "{:?}", one.held_back);
}

async fn queues_have_caps_of_their_own(f: Fixture) {
    insert(&f, 5).await;
    let mut more = commit(NOW);
    more.jobs = vec![NewJob { queue: name("bulk"), ..job("x") }; 5];
    f.store.commit(more).await.unwrap();
    let caps = Caps { rate: rate(2, 1_000).rate, ..running(2) };
    assert_eq!(round(&f, vec![], under(caps, 5, NOW)).await.jobs.len(), 2);
    let other = LeaseRequest { queue: queue("bulk"), ..under(caps, 5, NOW) };
    assert_eq!(round(&f, vec![], other).await.jobs.len(), 2);
}

async fn whoever_says_no_caps_keeps_to_none(f: Fixture) {
    insert(&f, 9).await;
    assert_eq!(round(&f, vec![], under(running(2), 5, NOW)).await.jobs.len(), 2);
    let free = round(&f, vec![], under(Caps::default(), 5, NOW)).await;
    assert_eq!((free.jobs.len(), free.held_back), (5, None));
    // And it counts for whoever does.
    let none = round(&f, vec![], under(running(7), 5, NOW)).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
}

async fn the_later_of_both_caps_is_told(f: Fixture) {
    insert(&f, 9).await;
    let caps = |max, count| Caps { rate: rate(count, 1_000).rate, ..running(max) };
    let leased = round(&f, vec![], under(caps(2, 5), 9, NOW)).await;
    assert_eq!((leased.jobs.len(), leased.held_back), (2, Some(HeldBack::Running)));
    let leased = round(&f, vec![], under(caps(9, 5), 9, NOW)).await;
    assert_eq!((leased.jobs.len(), leased.held_back), (3, Some(HeldBack::Rate { again: NOW + 1_000 })));
}
