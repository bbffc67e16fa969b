//! Jobs, queues, schedules and the store, over a node that is made up.

use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use http::Method;

use super::{Fake, later, serve};
use crate::api::{
    AttemptStatus, DataStatus, Enqueued, JobCounts, JobDetail, JobFilter, JobOp, JobPage, JobState, JobStatus,
    LeaseStatus, Operated, QueueStatus, RateStatus, ScheduleStatus, StoreUsage, StoredItem, StoredKey, StoredKeyPage,
    ValueText, WaitingFor,
};
use crate::client::Client;
use crate::control::{ControlError, ControlFuture, DurableControl};
use crate::server::AdminServer;

/// Names that a path or a query must not take apart.
const KEY: &str = "cart:42/..?&= \u{e4}";
const QUEUE: &str = "mail&co";
/// Jobs that a step of the fake changes.
const STEP: usize = 2;

/// Ten jobs, of which the even ones have ended, and a queue.
pub(super) struct Durable {
    jobs: Mutex<Vec<JobStatus>>,
    queue: Mutex<QueueStatus>,
}

impl Default for Durable {
    fn default() -> Self {
        let state = |id| if id % 2 == 0 { JobState::Completed } else { JobState::Available };
        let queue = QueueStatus {
            plugin: "shop".to_owned(),
            queue: QUEUE.to_owned(),
            counts: JobCounts::of([1, 2, 3, 4, 5, 6, 7, 8]),
            served: true,
            concurrency: 10,
            rate: Some(RateStatus { jobs: 5, per_ms: 1000 }),
            ..QueueStatus::default()
        };
        Self { jobs: Mutex::new((1..=10).rev().map(|id| job(id, state(id))).collect()), queue: Mutex::new(queue) }
    }
}

fn job(id: u64, state: JobState) -> JobStatus {
    JobStatus {
        id,
        plugin: "shop".to_owned(),
        queue: QUEUE.to_owned(),
        name: "welcome".to_owned(),
        state,
        waiting: (id == 1).then_some(WaitingFor::Jobs { count: 2 }),
        priority: 0,
        attempt: 1,
        max_attempts: 20,
        inserted_at_ms: 1,
        run_at_ms: 2,
        attempted_at_ms: Some(3),
        ended_at_ms: None,
        lease: Some(LeaseStatus { fence: 9, worker: "node".to_owned(), until_ms: 4 }),
        meta: vec![("cron".to_owned(), "nightly".to_owned())],
    }
}

fn passes(filter: &JobFilter, job: &JobStatus) -> bool {
    filter.plugin.as_ref().is_none_or(|plugin| *plugin == job.plugin)
        && filter.queue.as_ref().is_none_or(|queue| *queue == job.queue)
        && filter.name.as_ref().is_none_or(|name| *name == job.name)
        && filter.state.is_none_or(|state| state == job.state)
        && filter.id.is_none_or(|id| id == job.id)
}

fn none<T>(what: &str) -> Result<T, ControlError> {
    Err(ControlError::NotFound(format!("there is no such {what}")))
}

fn schedule() -> ScheduleStatus {
    ScheduleStatus { plugin: "shop".to_owned(), name: "nightly".to_owned(), ..ScheduleStatus::default() }
}

fn usage() -> StoreUsage {
    StoreUsage { plugin: "shop".to_owned(), items: 1, jobs: 10, bytes: 99, quota: Some(1000) }
}

impl Durable {
    fn say(&self, plugin: &str, queue: &str, change: impl FnOnce(&mut QueueStatus)) -> ControlFuture<()> {
        let mut known = self.queue.lock().unwrap();
        if (plugin, queue) != ("shop", QUEUE) {
            return later(none(&format!("queue `{queue}`; there are: {QUEUE}")));
        }
        change(&mut known);
        later(Ok(()))
    }
}

impl DurableControl for Durable {
    fn jobs(&self, filter: JobFilter, before: Option<u64>, limit: usize) -> ControlFuture<JobPage> {
        let jobs = self.jobs.lock().unwrap();
        let mut left = jobs.iter().filter(|job| before.is_none_or(|before| job.id < before)).cloned();
        // The next page begins behind what was looked at, whether or not it passed.
        let looked_at: Vec<_> = left.by_ref().take(limit).collect();
        let next = left.next().and_then(|_| looked_at.last().map(|job| job.id));
        later(Ok(JobPage { jobs: looked_at.into_iter().filter(|job| passes(&filter, job)).collect(), next }))
    }
    fn job(&self, id: u64, full: bool) -> ControlFuture<JobDetail> {
        let found = self.jobs.lock().unwrap().iter().find(|job| job.id == id).cloned();
        let Some(job) = found else { return later(none(&format!("job {id}"))) };
        let attempts = vec![AttemptStatus { attempt: 1, at_ms: 1, error: "trap\n at f".to_owned() }];
        let (args, output) = (DataStatus::of(&[b'x'; 3000], full), Some(DataStatus::of(&[0, 255], full)));
        later(Ok(JobDetail { job, args, output, attempts }))
    }
    fn operate(&self, filter: JobFilter, op: JobOp, before: Option<u64>) -> ControlFuture<Operated> {
        if filter.plugin.as_deref() == Some("stuck") && before.is_some() {
            return later(Err(ControlError::Unavailable("the disk is full".to_owned())));
        }
        let mut jobs = self.jobs.lock().unwrap();
        let is_final = |state| matches!(state, JobState::Completed | JobState::Cancelled | JobState::Discarded);
        let mut step = Operated::default();
        let looked_at = jobs.iter_mut().filter(|job| before.is_none_or(|before| job.id < before));
        let stuck = filter.plugin.as_deref() == Some("stuck");
        for job in looked_at.filter(|job| stuck || passes(&filter, job)).take(STEP) {
            step.next = filter.id.is_none().then_some(job.id);
            if is_final(job.state) == (op == JobOp::Cancel) {
                continue;
            }
            job.state = if op == JobOp::Cancel { JobState::Cancelled } else { JobState::Available };
            step.changed += 1;
        }
        later(Ok(step))
    }
    fn queues(&self) -> ControlFuture<Vec<QueueStatus>> {
        later(Ok(vec![self.queue.lock().unwrap().clone()]))
    }
    fn pause_queue(&self, plugin: String, queue: String, paused: bool) -> ControlFuture<()> {
        self.say(&plugin, &queue, |queue| queue.paused = paused)
    }
    fn scale_queue(&self, plugin: String, queue: String, concurrency: Option<u32>) -> ControlFuture<()> {
        self.say(&plugin, &queue, |queue| {
            (queue.concurrency, queue.scaled) = (concurrency.unwrap_or(10).into(), concurrency.is_some());
        })
    }
    fn schedules(&self) -> ControlFuture<Vec<ScheduleStatus>> {
        later(Ok(vec![schedule()]))
    }
    fn run_schedule(&self, plugin: String, name: String) -> ControlFuture<Enqueued> {
        match (plugin.as_str(), name.as_str()) {
            ("shop", "nightly") => later(Ok(Enqueued { id: 11, was_there: false, state: JobState::Available })),
            _ => later(none("schedule; there are: nightly")),
        }
    }
    fn store_usage(&self) -> ControlFuture<Vec<StoreUsage>> {
        later(Ok(vec![usage()]))
    }
    fn store_keys(&self, _: String, prefix: String, cursor: Option<String>, _: usize) -> ControlFuture<StoredKeyPage> {
        let key = StoredKey { key: prefix, version: 7, expires_at_ms: Some(1) };
        later(Ok(StoredKeyPage { keys: vec![key], cursor: cursor.is_none().then(|| KEY.to_owned()) }))
    }
    fn store_item(&self, plugin: String, key: String) -> ControlFuture<StoredItem> {
        if (plugin.as_str(), key.as_str()) != ("shop", KEY) {
            return later(none("key"));
        }
        let value = ValueText::of(&[0xff]);
        later(Ok(StoredItem { key, version: 7, expires_at_ms: None, bytes: 1, value }))
    }
    fn backup(&self, to: PathBuf) -> ControlFuture<u64> {
        if to.ends_with("old") {
            return later(Err(ControlError::Refused("there is such a file".to_owned())));
        }
        later(Ok(4096))
    }
}

async fn start() -> (AdminServer, Client) {
    serve(Fake { durable: Some(Durable::default()), ..Fake::default() }).await
}

fn ids(page: &JobPage) -> Vec<u64> {
    page.jobs.iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn jobs_are_listed_by_what_they_are() {
    let (_server, client) = start().await;
    let all = client.jobs(&JobFilter::default(), None, 4).await.unwrap();
    assert_eq!((ids(&all), all.next), (vec![10, 9, 8, 7], Some(7)));
    assert_eq!(all.jobs[0], job(10, JobState::Completed));
    let (plugin, queue, name) = (Some("shop".to_owned()), Some(QUEUE.to_owned()), Some("welcome".to_owned()));
    let ended = JobFilter { plugin, queue, name, state: Some(JobState::Completed), id: None };
    let page = client.jobs(&ended, Some(7), 100).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![6, 4, 2], None));
    for other in [
        JobFilter { plugin: Some("shop&state=available".to_owned()), ..ended.clone() },
        JobFilter { queue: Some("mail".to_owned()), ..ended.clone() },
        JobFilter { state: Some(JobState::Discarded), ..ended },
    ] {
        assert_eq!(client.jobs(&other, None, 100).await.unwrap(), JobPage::default());
    }
}

#[tokio::test]
async fn a_job_is_shown_as_a_preview_or_in_full() {
    let (_server, client) = start().await;
    let preview = client.job(1, false).await.unwrap();
    assert!(preview.args.is_cut() && preview.args.bytes == 3000);
    assert_eq!(preview.job.waiting, Some(WaitingFor::Jobs { count: 2 }));
    assert_eq!(preview.attempts[0].error, "trap\n at f");
    let full = client.job(1, true).await.unwrap();
    assert_eq!(full.args.value.bytes().unwrap(), [b'x'; 3000]);
    assert_eq!(full.output.unwrap().value.bytes().unwrap(), [0, 255]);
    assert_eq!(client.job(99, false).await.unwrap_err().to_string(), "there is no such job 99");
}

#[tokio::test]
async fn one_job_that_is_left_says_why() {
    let (_server, client) = start().await;
    assert_eq!(client.operate_job(2, JobOp::Retry).await.unwrap(), Operated { changed: 1, next: None });
    assert_eq!(client.operate_job(2, JobOp::Cancel).await.unwrap().changed, 1);
    assert_eq!(client.operate_job(2, JobOp::Delete).await.unwrap().changed, 1);
    for (id, op, expected) in [
        (1, JobOp::Retry, "job 1 is available: what can be retried"),
        (4, JobOp::Cancel, "job 4 is completed: what has ended cannot be cancelled"),
        (1, JobOp::Delete, "job 1 is available: what can be deleted has ended; cancel it first"),
        (99, JobOp::Cancel, "there is no such job 99"),
    ] {
        let error = client.operate_job(id, op).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn many_jobs_are_changed_in_steps_until_all_are() {
    let (_server, client) = start().await;
    let available = JobFilter { state: Some(JobState::Available), ..JobFilter::default() };
    assert_eq!(client.operate_jobs(&available, JobOp::Cancel).await.unwrap(), 5);
    assert_eq!(client.operate_jobs(&available, JobOp::Cancel).await.unwrap(), 0);
    assert_eq!(client.operate_jobs(&JobFilter::default(), JobOp::Retry).await.unwrap(), 10);
    let stuck = JobFilter { plugin: Some("stuck".to_owned()), ..JobFilter::default() };
    let error = format!("{:#}", client.operate_jobs(&stuck, JobOp::Cancel).await.unwrap_err());
    assert_eq!(error, "2 jobs were changed, and then: the disk is full");
}

#[tokio::test]
async fn nothing_is_changed_by_a_word_left_out_or_misspelt() {
    let (_server, client) = start().await;
    for (method, path, expected) in [
        (Method::POST, "/api/jobs/cancel", "say which jobs"),
        (Method::POST, "/api/jobs/cancel?all=true&plugin=shop", "say which jobs"),
        (Method::POST, "/api/jobs/cancel?plugin=shop&sate=available", "unknown field `sate`"),
        (Method::POST, "/api/jobs/cancel?state=done", "a job has no state `done`; there are: suspended"),
        (Method::GET, "/api/jobs?before=x", "invalid digit"),
        (Method::GET, "/api/jobs/x", "there is no job `x`: jobs have numbers"),
        (Method::POST, "/api/queues/shop/mail%26co/scale?to=-1", "invalid digit"),
        (Method::POST, "/api/store/backup?to=here.db", "`here.db` is no absolute path"),
    ] {
        let error = client.send(method, path, Bytes::new()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
    let available = JobFilter { state: Some(JobState::Available), ..JobFilter::default() };
    assert_eq!(client.jobs(&available, None, 100).await.unwrap().jobs.len(), 5);
}

#[tokio::test]
async fn queues_are_paused_and_scaled() {
    let (_server, client) = start().await;
    let queue = format!("shop/{QUEUE}");
    assert_eq!(client.queues(None).await.unwrap().len(), 1);
    assert_eq!(client.queues(Some("shop")).await.unwrap()[0].counts.get(JobState::Discarded), 8);
    assert_eq!(client.queues(Some("mail")).await.unwrap(), []);
    assert!(client.pause_queue(&queue, true).await.unwrap().paused);
    let scaled = client.scale_queue(&queue, Some(50)).await.unwrap();
    assert_eq!((scaled.concurrency, scaled.scaled, scaled.paused), (50, true, true));
    let back = client.scale_queue(&queue, None).await.unwrap();
    assert_eq!((back.concurrency, back.scaled), (10, false));
    assert!(!client.pause_queue(&queue, false).await.unwrap().paused);
    for error in [
        client.pause_queue("shop/gone", true).await.unwrap_err(),
        client.scale_queue("shop/gone", None).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "there is no such queue `gone`; there are: mail&co");
    }
    assert!(client.pause_queue("mail", true).await.unwrap_err().to_string().contains("PLUGIN/QUEUE"));
}

#[tokio::test]
async fn schedules_are_listed_and_run() {
    let (_server, client) = start().await;
    assert_eq!(client.schedules(None).await.unwrap(), [schedule()]);
    assert_eq!(client.schedules(Some("mail")).await.unwrap(), []);
    assert_eq!(client.run_schedule("shop/nightly").await.unwrap().id, 11);
    assert!(client.run_schedule("shop/x").await.unwrap_err().to_string().contains("there are: nightly"));
    assert!(client.run_schedule("nightly").await.unwrap_err().to_string().contains("PLUGIN/NAME"));
}

#[tokio::test]
async fn the_store_is_looked_into_and_copied() {
    let (_server, client) = start().await;
    assert_eq!(client.store_usage().await.unwrap(), [usage()]);
    let first = client.store_keys("shop", KEY, None, 10).await.unwrap();
    assert_eq!((first.keys[0].key.as_str(), first.cursor.as_deref()), (KEY, Some(KEY)));
    assert_eq!(client.store_keys("shop", "", Some(KEY), 10).await.unwrap().cursor, None);
    assert_eq!(client.store_item("shop", KEY).await.unwrap().value, ValueText::Hex("ff".to_owned()));
    assert_eq!(client.store_item("shop", "x").await.unwrap_err().to_string(), "there is no such key");
    let to = "/var/backups/a b&c.db";
    let copy = client.backup(to).await.unwrap();
    assert_eq!((copy.path.as_str(), copy.bytes), (to, 4096));
    assert_eq!(client.backup("/old").await.unwrap_err().to_string(), "there is such a file");
}

#[tokio::test]
async fn a_node_without_a_store_says_so() {
    let (_server, client) = serve(Fake::default()).await;
    for error in [
        client.jobs(&JobFilter::default(), None, 1).await.unwrap_err(),
        client.operate_jobs(&JobFilter::default(), JobOp::Retry).await.unwrap_err(),
        client.queues(None).await.unwrap_err(),
        client.schedules(None).await.unwrap_err(),
        client.store_usage().await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node has no store");
    }
}
