//! Two hosts on one database that do nothing wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_store::{
    Caps, Changes, Commit, CommitError, Error, Fence, Job, JobFilter, JobId, JobState, LeaseRequest, Lost, Mail,
    NewJob, Observer, Op, Outgoing, ProcessStore, Publish, QueueState, Receiver, Settle, Settled, Write,
};
use skep_test_postgres::Server;

use crate::child::{job, key, open_at_last, options, plugin, queue};
use crate::turns;

pub(crate) const NOW: u64 = 1_700_000_000_000;

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<Changes>>);

impl Observer for Told {
    fn changed(&self, changes: Changes) {
        self.0.lock().push(changes);
    }
}

impl Told {
    /// Waits until it was told so.
    pub(crate) async fn of(&self, what: impl Fn(&Changes) -> bool) {
        for _ in 0..3_000 {
            if self.0.lock().iter().any(&what) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it is not told: {:?}", self.0.lock());
    }

    /// Whether it was told so.
    pub(crate) fn has(&self, what: impl Fn(&Changes) -> bool) -> bool {
        self.0.lock().iter().any(what)
    }

    /// What it was told until now does not count.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }

    /// The messages that it was told, in their order.
    pub(crate) fn publishes(&self) -> Vec<String> {
        let told = self.0.lock();
        let texts = told.iter().flat_map(|changes| &changes.publishes);
        texts.map(|publish| String::from_utf8(publish.data.to_vec()).unwrap()).collect()
    }
}

pub(crate) struct Host {
    pub(crate) store: Arc<dyn ProcessStore>,
    pub(crate) told: Arc<Told>,
}

impl Host {
    pub(crate) async fn open(url: &str) -> Self {
        let told = Arc::new(Told::default());
        let store = open_at_last(options(url), Arc::clone(&told) as Arc<_>).await;
        Self { store, told }
    }

    pub(crate) async fn lease(&self, limit: usize, now: u64) -> Vec<Job> {
        let lease = LeaseRequest {
            queue: queue(),
            limit,
            worker: "worker".to_owned(),
            now,
            until: now + 10_000,
            caps: Caps::default(),
        };
        self.store.settle_and_lease(vec![], Some(lease)).await.unwrap().1.jobs
    }

    pub(crate) async fn insert(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        let done = self.store.commit(Commit { jobs, ..commit() }).await.unwrap();
        done.jobs.iter().map(|job| job.id).collect()
    }
}

pub(crate) fn commit() -> Commit {
    Commit::new(plugin(), NOW)
}

fn fence(job: &Job) -> Fence {
    job.lease.as_ref().unwrap().fence
}

fn completes(id: JobId, fence: Fence, now: u64) -> Settle {
    Settle { id, fence, now, as_: Settled::Completed { output: None } }
}

/// Two hosts on a new database. None if there is no PostgreSQL here, which is said.
pub(crate) async fn two() -> Option<[Host; 2]> {
    let url = Server::shared()?.database();
    Some([Host::open(&url).await, Host::open(&url).await])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_host_says_nothing_is_anothers_when_its_lease_is_over() {
    let Some([a, b]) = two().await else { return };
    let id = a.insert(vec![job("slow")]).await[0];
    let late = fence(&a.lease(1, NOW).await[0]);
    assert!(b.lease(1, NOW).await.is_empty());
    assert!(b.store.reclaim(NOW + 9_999, 10).await.unwrap().0.is_empty());
    // Whoever says something in time keeps it.
    assert!(a.store.heartbeat(vec![(id, late)], NOW + 9_000, NOW + 19_000).await.unwrap().is_empty());
    assert!(b.store.reclaim(NOW + 18_999, 10).await.unwrap().0.is_empty());
    assert_eq!(b.store.reclaim(NOW + 19_000, 10).await.unwrap().0, [id]);
    let again = b.lease(1, NOW + 19_000).await;
    assert!(again[0].id == id && fence(&again[0]) > late);
    assert_eq!(a.store.heartbeat(vec![(id, late)], NOW + 19_001, NOW + 29_000).await.unwrap(), [Lost(id)]);
    assert_eq!(a.store.settle(vec![completes(id, late, NOW + 19_001)]).await.unwrap(), [Err(Lost(id))]);
    assert_eq!(b.store.job(id).await.unwrap().0.state, JobState::Executing);
    assert_eq!(b.store.settle(vec![completes(id, fence(&again[0]), NOW + 19_002)]).await.unwrap(), [Ok(())]);
    assert_eq!(a.store.job(id).await.unwrap().0.state, JobState::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_starts_takes_nothing_from_one_that_lives() {
    let Some([a, b]) = two().await else { return };
    a.insert(vec![job("slow")]).await;
    let leased = a.lease(1, NOW).await;
    assert_eq!(b.store.reclaim_others("another".to_owned(), NOW).await.unwrap(), 0);
    assert!(b.lease(1, NOW).await.is_empty());
    assert_eq!(a.store.settle(vec![completes(leased[0].id, fence(&leased[0]), NOW)]).await.unwrap(), [Ok(())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_given_to_one() {
    let Some(hosts) = two().await else { return };
    for host in &hosts {
        host.insert((0..300).map(|number| job(&number.to_string())).collect()).await;
    }
    let workers = hosts.iter().flat_map(|host| [host, host]).map(|host| {
        let store = Arc::clone(&host.store);
        tokio::spawn(async move {
            let (mut settles, mut fences) = (Vec::new(), Vec::new());
            loop {
                let lease = LeaseRequest {
                    queue: queue(),
                    limit: 7,
                    worker: "w".to_owned(),
                    now: NOW,
                    until: NOW + 10_000,
                    caps: Caps::default(),
                };
                let (settled, leased) = store.settle_and_lease(settles, Some(lease)).await.unwrap();
                let leased = leased.jobs;
                assert!(settled.iter().all(Result::is_ok));
                if leased.is_empty() {
                    return fences;
                }
                fences.extend(leased.iter().map(|job| (job.id, fence(job))));
                settles = leased.iter().map(|job| completes(job.id, fence(job), NOW)).collect();
            }
        })
    });
    let (mut ids, mut fences) = (BTreeSet::new(), BTreeSet::new());
    for worker in workers.collect::<Vec<_>>() {
        for (id, fence) in worker.await.unwrap() {
            assert!(ids.insert(id) && fences.insert(fence), "{id} under {fence:?}");
        }
    }
    // Those that two reached for at once may have been left to the next round, which found none.
    for host in &hosts {
        ids.extend(host.lease(1_000, NOW).await.iter().map(|job| job.id));
    }
    assert_eq!(ids.len(), 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_does_the_other_is_told() {
    let Some([a, b]) = two().await else { return };
    let id = a.insert(vec![job("it")]).await[0];
    b.told.of(|changes| changes.available.contains(&queue())).await;
    let leased = b.lease(1, NOW).await;
    a.store.operate(JobFilter { ids: vec![id], ..JobFilter::default() }, Op::Cancel, None, NOW).await.unwrap();
    b.told.of(|changes| changes.taken.contains(&(id, fence(&leased[0])))).await;
    b.told.of(|changes| changes.ended.contains(&(id, JobState::Cancelled))).await;
    assert_eq!(b.store.settle(vec![completes(id, fence(&leased[0]), NOW)]).await.unwrap(), [Err(Lost(id))]);
    a.insert(vec![NewJob { run_at: Some(NOW + 500), ..job("later") }]).await;
    b.told.of(|changes| changes.next_due == Some(NOW + 500)).await;
    let letter = |at| Mail { to: Receiver::Process(turns::id(1)), data: "hello".into(), at };
    let mail = a.store.post_mail(plugin(), vec![letter(None), letter(Some(NOW + 7))], NOW).await.unwrap();
    b.told.of(|changes| changes.mail.iter().any(|told| told.id == mail[0])).await;
    b.told.of(|changes| changes.mail_due == Some(NOW + 7)).await;
    // A message leaves through one of them.
    let topic = "shop/orders".parse().unwrap();
    let message = Outgoing::Publish(Publish { topic, event: None, data: "once".into() });
    a.store.commit(Commit { messages: vec![message], ..commit() }).await.unwrap();
    a.told.of(|changes| !changes.publishes.is_empty()).await;
    a.insert(vec![NewJob { run_at: Some(NOW + 900), ..job("behind it") }]).await;
    b.told.of(|changes| changes.next_due == Some(NOW + 900)).await;
    assert_eq!((a.told.publishes().len(), b.told.publishes().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_say_of_a_queue_holds_on_all_hosts() {
    let Some([a, b]) = two().await else { return };
    a.insert(vec![job("it")]).await;
    let paused = QueueState { paused: true, concurrency: Some(3) };
    b.store.set_queue_state(queue(), paused).await.unwrap();
    assert_eq!(a.store.queue_states().await.unwrap(), [(queue(), paused)]);
    assert!(a.lease(1, NOW).await.is_empty());
    a.told.forget();
    b.store.set_queue_state(queue(), QueueState::default()).await.unwrap();
    a.told.of(|changes| changes.available.contains(&queue())).await;
    assert_eq!(a.lease(1, NOW).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_counts_what_both_write() {
    let Some(hosts) = two().await else { return };
    for host in &hosts {
        host.store.set_quota(plugin(), 4_000);
    }
    let write = |at: usize| {
        let set = Write::Set { key: key(&at.to_string()), value: vec![0; 1_000].into(), expires: None };
        hosts[at % 2].store.commit(Commit { writes: vec![set], ..commit() })
    };
    for at in 0..3 {
        write(at).await.unwrap();
    }
    for at in 3..5 {
        assert_eq!(write(at).await.unwrap_err(), CommitError::Store(Error::Quota(4_000)));
    }
    assert_eq!(hosts[1].store.usage().await.unwrap()[0].items, 3);
}
