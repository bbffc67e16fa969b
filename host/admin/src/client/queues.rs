//! Queues and schedules, from the command line's side. Both go by `PLUGIN/NAME`.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{Enqueued, QueueStatus, ScheduleStatus};

impl Client {
    /// The queues of all plugins, or of one.
    ///
    /// # Errors
    /// When the node does not answer or has no store.
    pub async fn queues(&self, plugin: Option<&str>) -> anyhow::Result<Vec<QueueStatus>> {
        self.json(Method::GET, &format!("/api/queues{}", of(plugin)), Bytes::new()).await
    }

    /// Pauses a queue, or lets it go on; answers how it is then.
    ///
    /// # Errors
    /// When the node does not answer or has no such queue.
    pub async fn pause_queue(&self, queue: &str, paused: bool) -> anyhow::Result<QueueStatus> {
        let verb = if paused { "pause" } else { "resume" };
        self.json(Method::POST, &format!("{}/{verb}", queue_path(queue)?), Bytes::new()).await
    }

    /// Sets how many jobs of a queue are at work at once; none: what the manifest says. Answers how it is then.
    ///
    /// # Errors
    /// When the node does not answer, has no such queue, or the number is beyond what a queue may have.
    pub async fn scale_queue(&self, queue: &str, concurrency: Option<u32>) -> anyhow::Result<QueueStatus> {
        let to = concurrency.map(|to| format!("?to={to}")).unwrap_or_default();
        self.json(Method::POST, &format!("{}/scale{to}", queue_path(queue)?), Bytes::new()).await
    }

    /// The schedules of all plugins, or of one.
    ///
    /// # Errors
    /// When the node does not answer or has no store.
    pub async fn schedules(&self, plugin: Option<&str>) -> anyhow::Result<Vec<ScheduleStatus>> {
        self.json(Method::GET, &format!("/api/cron{}", of(plugin)), Bytes::new()).await
    }

    /// Inserts the job of a schedule now.
    ///
    /// # Errors
    /// When the node does not answer or has no such schedule, and what it has against the job.
    pub async fn run_schedule(&self, schedule: &str) -> anyhow::Result<Enqueued> {
        let Some((plugin, name)) = schedule.split_once('/') else {
            anyhow::bail!("`{schedule}` names no schedule: write PLUGIN/NAME, as `skep cron` does");
        };
        self.json(Method::POST, &format!("/api/cron/{}/{}/run", encoded(plugin), encoded(name)), Bytes::new()).await
    }
}

fn of(plugin: Option<&str>) -> String {
    plugin.map(|plugin| format!("?plugin={}", encoded(plugin))).unwrap_or_default()
}

fn queue_path(queue: &str) -> anyhow::Result<String> {
    let Some((plugin, name)) = queue.split_once('/') else {
        anyhow::bail!("`{queue}` names no queue: write PLUGIN/QUEUE, as `skep queues` does");
    };
    Ok(format!("/api/queues/{}/{}", encoded(plugin), encoded(name)))
}
