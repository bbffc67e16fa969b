//! `skep jobs`: the jobs of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::Write as _;

use anyhow::Context as _;
use skep_admin::Client;
use skep_admin::api::{DataStatus, JobDetail, JobFilter, JobOp, JobState, JobStatus, Operated, ValueText, WaitingFor};

use super::operate::client;
use super::output::{one_line, print_json, shown};
use super::time::moment;
use crate::cli::{Jobs, JobsCommand, List, Part, Which};

/// Jobs that one request asks for; the node gives no more either.
const PAGE: usize = 1000;

pub(crate) async fn run(args: Jobs) -> anyhow::Result<()> {
    let (client, json) = (client(&args.dir)?, args.json);
    match args.command {
        JobsCommand::Ls(list) => ls(&client, list, json).await,
        JobsCommand::Show { id, raw: Some(part), .. } => raw(&client.job(id, true).await?, part),
        JobsCommand::Show { id, full, raw: None } => {
            let job = client.job(id, full).await?;
            if json {
                return print_json(&job);
            }
            print!("{}", whole(&job));
            Ok(())
        }
        JobsCommand::Retry(which) => operate(&client, which, JobOp::Retry, json).await,
        JobsCommand::Cancel(which) => operate(&client, which, JobOp::Cancel, json).await,
        JobsCommand::Delete(which) => operate(&client, which, JobOp::Delete, json).await,
    }
}

async fn ls(client: &Client, List { filter, mut before, limit }: List, json: bool) -> anyhow::Result<()> {
    let filter = JobFilter::from(filter);
    let (mut all, mut more) = (Vec::new(), false);
    while let Some(left) = limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.jobs(&filter, before, left.min(PAGE)).await?;
        all.extend(page.jobs);
        more = page.next.is_some();
        if !more {
            break;
        }
        before = page.next;
    }
    if json {
        return print_json(&all);
    }
    print!("{}", table(&all));
    if let Some(before) = before.filter(|_| more) {
        eprintln!("there may be more: `--before {before}` goes on, or give a larger `--limit`");
    }
    Ok(())
}

async fn operate(client: &Client, which: Which, op: JobOp, json: bool) -> anyhow::Result<()> {
    let (mut changed, mut failed) = (0, 0);
    if which.ids.is_empty() {
        changed = client.operate_jobs(&which.filter.into(), op).await?;
    }
    for &id in &which.ids {
        match client.operate_job(id, op).await {
            Ok(done) => changed += done.changed,
            // With one job it is the command's own end.
            Err(error) if which.ids.len() == 1 => return Err(error),
            Err(error) => {
                eprintln!("{error:#}");
                failed += 1;
            }
        }
    }
    if json {
        print_json(&Operated { changed, next: None })?;
    } else {
        println!("{}", said(changed, op));
    }
    anyhow::ensure!(failed == 0, "{failed} of {} jobs were left as they are", which.ids.len());
    Ok(())
}

fn said(changed: u64, op: JobOp) -> String {
    let jobs = if changed == 1 { "job" } else { "jobs" };
    let done = match op {
        JobOp::Retry => "available again",
        JobOp::Cancel => "cancelled",
        JobOp::Delete => "deleted",
    };
    format!("{changed} {jobs} {done}")
}

fn raw(job: &JobDetail, part: Part) -> anyhow::Result<()> {
    let data = match part {
        Part::Args => &job.args,
        Part::Output => job.output.as_ref().with_context(|| format!("job {} has no output", job.job.id))?,
    };
    let bytes = data.value.bytes().context("the node's answer is damaged")?;
    Ok(std::io::stdout().write_all(&bytes)?)
}

fn table(jobs: &[JobStatus]) -> String {
    let mut table =
        format!("{:>10} {:<9} {:<28} {:<24} {:>7} {:<24}  NOTES\n", "ID", "STATE", "QUEUE", "NAME", "ATTEMPT", "AT");
    for job in jobs {
        let (queue, attempt) =
            (format!("{}/{}", job.plugin, job.queue), format!("{}/{}", job.attempt, job.max_attempts));
        let (at, note) = since(job);
        let row = format!(
            "{:>10} {:<9} {queue:<28} {:<24} {attempt:>7} {:<24}  {note}",
            job.id,
            job.state,
            job.name,
            moment(at)
        );
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

/// The moment that matters in a job's state, and what there is to say.
fn since(job: &JobStatus) -> (u64, String) {
    match job.state {
        JobState::Suspended => (job.inserted_at_ms, job.waiting.map(waits).unwrap_or_default()),
        JobState::Scheduled => (job.run_at_ms, "runs then".to_owned()),
        JobState::Retryable => (job.run_at_ms, "tries again then".to_owned()),
        JobState::Available => (job.run_at_ms, String::new()),
        JobState::Executing => {
            let by = job.lease.as_ref().map(|lease| format!("by {}", one_line(&lease.worker)));
            (job.attempted_at_ms.unwrap_or(job.run_at_ms), by.unwrap_or_default())
        }
        JobState::Completed | JobState::Cancelled | JobState::Discarded => {
            (job.ended_at_ms.unwrap_or(job.run_at_ms), String::new())
        }
    }
}

fn waits(waiting: WaitingFor) -> String {
    match waiting {
        WaitingFor::Jobs { count: 1 } => "waits for a job".to_owned(),
        WaitingFor::Jobs { count } => format!("waits for {count} jobs"),
        WaitingFor::Revision => "waits for a revision that knows its name".to_owned(),
    }
}

fn whole(detail: &JobDetail) -> String {
    let job = &detail.job;
    let mut text = format!("job {}: {} of {}/{}, {}\n", job.id, job.name, job.plugin, job.queue, job.state);
    let mut say = |name: &str, what: &str| text.push_str(&format!("  {name:<9} {what}\n"));
    if let Some(waiting) = job.waiting {
        say("waiting", &waits(waiting));
    }
    say("attempt", &format!("{} of {}", job.attempt, job.max_attempts));
    say("priority", &job.priority.to_string());
    say("inserted", &moment(job.inserted_at_ms));
    say("run at", &moment(job.run_at_ms));
    for (name, at) in [("attempted", job.attempted_at_ms), ("ended", job.ended_at_ms)] {
        if let Some(at) = at {
            say(name, &moment(at));
        }
    }
    if let Some(lease) = &job.lease {
        let (worker, until) = (one_line(&lease.worker), moment(lease.until_ms));
        say("lease", &format!("{worker}, fence {}, until {until} unless it is extended", lease.fence));
    }
    for (name, value) in &job.meta {
        say("meta", &format!("{} = {}", one_line(name), one_line(value)));
    }
    say("args", &data(&detail.args));
    if let Some(output) = &detail.output {
        say("output", &data(output));
    }
    for failed in &detail.attempts {
        say("failed", &format!("attempt {} at {}: {}", failed.attempt, moment(failed.at_ms), indented(&failed.error)));
    }
    text
}

fn data(data: &DataStatus) -> String {
    let more = if data.is_cut() { " ... (`--full` shows all)" } else { "" };
    let value = match &data.value {
        ValueText::Text(text) => indented(text),
        ValueText::Hex(digits) => format!("hex:{digits}"),
    };
    format!("{} bytes: {value}{more}", data.bytes)
}

/// A guest's text over several lines, none of which looks like another line of the answer.
fn indented(text: &str) -> String {
    shown(text.trim_end()).replace('\n', "\n            | ")
}

#[cfg(test)]
mod tests {
    use skep_admin::api::{AttemptStatus, LeaseStatus};

    use super::*;

    fn job(state: JobState) -> JobStatus {
        JobStatus {
            id: 42,
            plugin: "shop".to_owned(),
            queue: "mail".to_owned(),
            name: "welcome".to_owned(),
            state,
            waiting: None,
            priority: 0,
            attempt: 2,
            max_attempts: 20,
            inserted_at_ms: 1000,
            run_at_ms: 2000,
            attempted_at_ms: Some(3000),
            ended_at_ms: None,
            lease: None,
            meta: Vec::new(),
        }
    }

    #[test]
    fn a_job_is_a_row_with_the_moment_that_matters() {
        let mut suspended = job(JobState::Suspended);
        suspended.waiting = Some(WaitingFor::Jobs { count: 3 });
        let mut executing = job(JobState::Executing);
        executing.lease = Some(LeaseStatus { fence: 9, worker: "node\nforged".to_owned(), until_ms: 9000 });
        let mut completed = job(JobState::Completed);
        completed.ended_at_ms = Some(4000);
        let rows = table(&[suspended, job(JobState::Retryable), executing, completed]);
        let rows: Vec<_> = rows.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            rows,
            [
                "ID STATE QUEUE NAME ATTEMPT AT NOTES",
                "42 suspended shop/mail welcome 2/20 1970-01-01T00:00:01.000Z waits for 3 jobs",
                "42 retryable shop/mail welcome 2/20 1970-01-01T00:00:02.000Z tries again then",
                "42 executing shop/mail welcome 2/20 1970-01-01T00:00:03.000Z by node\\nforged",
                "42 completed shop/mail welcome 2/20 1970-01-01T00:00:04.000Z",
            ]
        );
    }

    #[test]
    fn all_that_is_known_of_a_job_is_told() {
        let mut detail = JobDetail {
            job: job(JobState::Executing),
            args: DataStatus::of(&[b'x'; 3000], false),
            output: Some(DataStatus::of(&[0, 255], false)),
            attempts: vec![AttemptStatus { attempt: 1, at_ms: 250, error: "trap\n  at f\u{1b}[2J\n".to_owned() }],
        };
        detail.job.lease = Some(LeaseStatus { fence: 9, worker: "node".to_owned(), until_ms: 9000 });
        detail.job.meta = vec![("cron".to_owned(), "nightly".to_owned())];
        let text = whole(&detail).replace(&"x".repeat(DataStatus::PREVIEW_BYTES_MAX), "xx");
        let expected = "\
job 42: welcome of shop/mail, executing
  attempt   2 of 20
  priority  0
  inserted  1970-01-01T00:00:01.000Z
  run at    1970-01-01T00:00:02.000Z
  attempted 1970-01-01T00:00:03.000Z
  lease     node, fence 9, until 1970-01-01T00:00:09.000Z unless it is extended
  meta      cron = nightly
  args      3000 bytes: xx ... (`--full` shows all)
  output    2 bytes: hex:00ff
  failed    attempt 1 at 1970-01-01T00:00:00.250Z: trap
            |   at f\\u{1b}[2J
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_done_is_counted() {
        assert_eq!(said(1, JobOp::Cancel), "1 job cancelled");
        assert_eq!(said(0, JobOp::Retry), "0 jobs available again");
    }
}
