//! Places of a capped queue: which of them other hosts hear of, so that nobody waits who may work, and nobody is woken for nothing.

use skep_store::{Caps, Changes, HeldBack, Job, JobFilter, JobState, Leased, NewJob, Op, Settle, Settled};
use skep_test_postgres::Server;

use crate::caps::{LEASE, lease, running};
use crate::child::{job, queue};
use crate::two::{Host, NOW, two};

/// Waiting jobs that are tried once.
async fn insert(host: &Host, jobs: usize) {
    host.insert((0..jobs).map(|number| NewJob { max_attempts: 1, ..job(&number.to_string()) }).collect()).await;
}

fn end(job: &Job, as_: Settled) -> Settle {
    Settle { id: job.id, fence: job.lease.as_ref().unwrap().fence, now: NOW, as_ }
}

fn completed(job: &Job) -> Settle {
    end(job, Settled::Completed { output: None })
}

fn of_the_queue(changes: &Changes) -> bool {
    changes.available.contains(&queue())
}

/// All that this host does before it is heard, and whether the other hears of the queue.
async fn hears(from: &Host, told: &Host, at: u64) -> bool {
    let later = NewJob { run_at: Some(at), ..job("later") };
    from.insert(vec![later]).await;
    told.told.of(|changes| changes.next_due == Some(at)).await;
    told.told.has(of_the_queue)
}

fn one_and_full(leased: &Leased) {
    assert_eq!((leased.jobs.len(), leased.held_back), (1, Some(HeldBack::Running)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_waits_for_a_place_hears_when_the_other_gives_it_however_a_job_ends() {
    let Some([a, b]) = two().await else { return };
    insert(&a, 12).await;
    let ends = [
        Settled::Completed { output: None },
        Settled::Retryable { error: "no".into(), run_at: NOW + 1_000_000 },
        Settled::Snoozed { run_at: NOW + 1_000_000 },
        Settled::Cancelled { reason: "no".into() },
        Settled::Discarded { error: "no".into() },
        Settled::Unknown,
    ];
    for as_ in ends {
        let has = lease(&a, vec![], running(1), NOW).await;
        one_and_full(&has);
        let none = lease(&b, vec![], running(1), NOW).await;
        assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
        b.told.forget();
        a.store.settle(vec![end(&has.jobs[0], as_)]).await.unwrap()[0].unwrap();
        b.told.of(of_the_queue).await;
        let taken = lease(&b, vec![], running(1), NOW).await;
        one_and_full(&taken);
        b.store.settle(vec![completed(&taken.jobs[0])]).await.unwrap()[0].unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_taken_again_in_the_same_write_is_told_nobody() {
    let Some([a, b]) = two().await else { return };
    insert(&a, 9).await;
    let has = lease(&a, vec![], running(2), NOW).await;
    assert_eq!(has.jobs.len(), 2);
    b.told.of(of_the_queue).await;
    b.told.forget();
    // One ends and another begins, then two and two.
    let next = lease(&a, vec![completed(&has.jobs[0])], running(2), NOW).await;
    one_and_full(&next);
    let settles = vec![completed(&has.jobs[1]), completed(&next.jobs[0])];
    let next = lease(&a, settles, running(2), NOW).await;
    assert_eq!((next.jobs.len(), next.held_back), (2, Some(HeldBack::Running)));
    assert!(!hears(&a, &b, NOW + 1_000_000).await, "no place came free");
    // One ends and, as fewer may be at work from now on, none begins.
    assert!(lease(&a, vec![completed(&next.jobs[0])], running(1), NOW).await.jobs.is_empty());
    assert!(hears(&a, &b, NOW + 1_000_001).await, "one fewer is at work");
    // Under no cap nobody waits for a place.
    b.told.forget();
    let free = lease(&a, vec![completed(&next.jobs[1])], Caps::default(), NOW).await;
    assert_eq!(free.jobs.len(), 4);
    a.store.settle(free.jobs.iter().map(completed).collect()).await.unwrap();
    assert!(!hears(&a, &b, NOW + 1_000_002).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_told_that_a_host_takes_back_which_knows_of_no_cap() {
    let Some([a, b]) = two().await else { return };
    insert(&a, 9).await;
    one_and_full(&lease(&a, vec![], running(1), NOW).await);
    assert!(lease(&a, vec![], running(1), NOW + LEASE).await.jobs.is_empty(), "it counts until it is taken back");
    // Its last attempt is over, so no job is available again.
    a.told.forget();
    assert_eq!(b.store.reclaim(NOW + LEASE, 9).await.unwrap().0.len(), 1);
    a.told.of(of_the_queue).await;
    let has = lease(&a, vec![], running(1), NOW).await;
    one_and_full(&has);
    // Whose attempt an operator takes away hears that too, and all others with it.
    a.told.forget();
    let one = JobFilter { ids: vec![has.jobs[0].id], ..JobFilter::default() };
    b.store.operate(one, Op::Cancel, None, NOW).await.unwrap();
    a.told.of(|changes| changes.taken.iter().any(|(id, _)| *id == has.jobs[0].id)).await;
    one_and_full(&lease(&a, vec![], running(1), NOW).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_of_a_host_that_is_gone_are_told_and_taken() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (gone, b) = (Host::open(&url).await, Host::open(&url).await);
    insert(&gone, 9).await;
    assert_eq!(lease(&gone, vec![], running(2), NOW).await.jobs.len(), 2);
    gone.store.close().await.unwrap();
    let none = lease(&b, vec![], running(2), NOW).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    // A host that starts takes over what is nobody's.
    let next = Host::open(&url).await;
    b.told.forget();
    assert_eq!(next.store.reclaim_others("another".to_owned(), NOW).await.unwrap(), 2);
    b.told.of(of_the_queue).await;
    let all = lease(&b, vec![], running(2), NOW).await;
    assert_eq!((all.jobs.len(), all.held_back), (2, Some(HeldBack::Running)));
    let counts = b.store.queue_counts().await.unwrap()[0].counts;
    assert_eq!(counts[JobState::Executing as usize], 2);
}
