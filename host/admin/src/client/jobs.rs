//! Jobs, from the command line's side.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{JobDetail, JobFilter, JobOp, JobPage, Operated};

impl Client {
    /// A page of the jobs that pass, the newest first, from before this number on.
    ///
    /// # Errors
    /// When the node does not answer or has no store.
    pub async fn jobs(&self, filter: &JobFilter, before: Option<u64>, limit: usize) -> anyhow::Result<JobPage> {
        let path = format!("/api/jobs?limit={limit}{}{}", and_filter(filter), and_before(before));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// A job; arguments and output as previews or in full.
    ///
    /// # Errors
    /// When the node does not answer or has no such job.
    pub async fn job(&self, id: u64, full: bool) -> anyhow::Result<JobDetail> {
        self.json(Method::GET, &format!("/api/jobs/{id}?full={full}"), Bytes::new()).await
    }

    /// Does this with one job.
    ///
    /// # Errors
    /// When the node does not answer, has no such job, or this is not for its state.
    pub async fn operate_job(&self, id: u64, op: JobOp) -> anyhow::Result<Operated> {
        let (method, verb) = match op {
            JobOp::Delete => (Method::DELETE, ""),
            JobOp::Retry => (Method::POST, "/retry"),
            JobOp::Cancel => (Method::POST, "/cancel"),
        };
        self.json(method, &format!("/api/jobs/{id}{verb}"), Bytes::new()).await
    }

    /// Does this with the jobs that pass, step by step until all are done; an empty filter means all jobs. Answers how many.
    /// Dropping it stops behind the step that is under way.
    ///
    /// # Errors
    /// When the node does not answer any more; the error says how many were changed before.
    pub async fn operate_jobs(&self, filter: &JobFilter, op: JobOp) -> anyhow::Result<u64> {
        let verb = match op {
            JobOp::Retry => "retry",
            JobOp::Cancel => "cancel",
            JobOp::Delete => "delete",
        };
        let (mut changed, mut before) = (0_u64, None);
        loop {
            let all = filter.is_empty();
            let path = format!("/api/jobs/{verb}?all={all}{}{}", and_filter(filter), and_before(before));
            let step = self.json::<Operated>(Method::POST, &path, Bytes::new()).await;
            let step = match step {
                Err(error) if changed > 0 => {
                    return Err(error.context(format!("{changed} jobs were changed, and then")));
                }
                step => step?,
            };
            changed = changed.saturating_add(step.changed);
            before = step.next;
            if before.is_none() {
                return Ok(changed);
            }
        }
    }
}

fn and_filter(filter: &JobFilter) -> String {
    let state = filter.state.map(|state| state.as_str().to_owned());
    let parts =
        [("plugin", &filter.plugin), ("queue", &filter.queue), ("name", &filter.name), ("state", &state)].into_iter();
    parts.filter_map(|(name, part)| Some(format!("&{name}={}", encoded(part.as_ref()?)))).collect()
}

fn and_before(before: Option<u64>) -> String {
    before.map(|before| format!("&before={before}")).unwrap_or_default()
}
