//! The jobs. All of them take text; those that are made of parts split it at spaces. Each of them but `quiet` first writes a
//! line for its run.
//!
//! | job | queue | does |
//! |---|---|---|
//! | `echo` | `default` | returns its text |
//! | `quiet` | `default` | nothing at all, for measurements |
//! | `mail` | `mail`, 5 attempts, priority 3, timeout 1 s | returns its text |
//! | `fail` | `default` | fails with its text |
//! | `fail_until` | `default` | `N`: fails until that attempt, then returns the number of it |
//! | `retry_in` | `default` | `MS`: fails, to be tried again in so long; returns the number of the second attempt |
//! | `snooze` | `default` | `MS`: puts itself off once, then returns the number of the attempt |
//! | `cancel` | `default` | cancels itself, with its text |
//! | `trap`, `spin`, `panic`, `oom`, `host_panic` | `default` | ends so |
//! | `sleep` | `slow` | waits so many milliseconds in the host, then returns its text |
//! | `alone` | `slow` | the same, and writes a line `alone-ended ARGS ID ATTEMPT` when it has waited |
//! | `timed` | `slow`, timeout 500 ms | the same |
//! | `compute` | `slow` | so many rounds of work without a call to the host |
//! | `write` | `default` | `KEY TEXT`: appends ` TEXT` to the key, in one commit that the job's id makes happen once |
//! | `publish` | `default` | `TOPIC TEXT`: publishes the text |
//! | `enqueue` | `default` | `NAME ARGS`: enqueues that job |
//! | `meta` | `default` | returns what was said under its text |
//! | `ticked` | `default` | takes JSON of any shape and returns it, for schedules |
//! | `nothing` | `default` | takes nothing and returns nothing |

use skep_sdk::prelude::*;

/// What jobs of the same text wrote about their runs, the first one first.
pub(crate) fn runs(key: &str) -> Result<String> {
    let runs = store::list_bytes(format!("run:{key}")).map(|item| {
        let item = item?;
        Ok(String::from_utf8_lossy(&item.value).into_owned())
    });
    let runs = runs.collect::<Result<Vec<_>>>()?;
    Ok(if runs.is_empty() { "none".to_owned() } else { runs.join("\n") })
}

#[skep::jobs]
pub(crate) mod all {
    use std::time::Duration;

    use skep_sdk::{prelude::*, serde_json::Value};

    /// Says that a run has begun: under a key of its own for each run, so that two at once are seen.
    fn began(name: &str, args: &str, job: &Job) -> JobResult {
        let (id, attempt) = (job.id, job.attempt);
        let number = store::sum("runs", 1)?;
        let text = format!("{name} {args} {id} {attempt}");
        store::set_bytes(&format!("run:{number:012}"), text)?;
        Ok(())
    }

    #[job]
    pub(crate) fn echo(text: String, job: &Job) -> JobResult<String> {
        began("echo", &text, job)?;
        Ok(text)
    }

    #[job]
    pub(crate) fn quiet(_: String) -> JobResult {
        Ok(())
    }

    #[job(queue = "mail", max_attempts = 5, priority = 3, timeout = "1s")]
    fn mail(text: String, job: &Job) -> JobResult<String> {
        began("mail", &text, job)?;
        Ok(text)
    }

    #[job]
    fn fail(text: String, job: &Job) -> JobResult {
        began("fail", &text, job)?;
        Err(text.into())
    }

    #[job]
    fn fail_until(text: String, job: &Job) -> JobResult<u16> {
        began("fail_until", &text, job)?;
        let attempt: u16 = text.parse().or_cancel()?;
        if job.attempt < attempt { Err(format!("attempt {}", job.attempt).into()) } else { Ok(job.attempt) }
    }

    #[job]
    fn retry_in(text: String, job: &Job) -> JobResult<u16> {
        began("retry_in", &text, job)?;
        let after = Duration::from_millis(text.parse().or_cancel()?);
        if job.attempt == 1 { Err(JobError::retry_in(after, "not yet")) } else { Ok(job.attempt) }
    }

    /// An attempt that was put off does not count, so the job remembers that it was.
    #[job]
    fn snooze(text: String, job: &Job) -> JobResult<u16> {
        began("snooze", &text, job)?;
        let after = Duration::from_millis(text.parse().or_cancel()?);
        if store::sum(&format!("snoozed:{}", job.id), 1)? == 1 { Err(JobError::snooze(after)) } else { Ok(job.attempt) }
    }

    #[job]
    fn cancel(text: String, job: &Job) -> JobResult {
        began("cancel", &text, job)?;
        Err(JobError::cancel(text))
    }

    #[job]
    fn trap(text: String, job: &Job) -> JobResult {
        began("trap", &text, job)?;
        hostile_common::trap()
    }

    #[job]
    fn spin(text: String, job: &Job) -> JobResult {
        began("spin", &text, job)?;
        hostile_common::spin()
    }

    #[job]
    fn panic(text: String, job: &Job) -> JobResult {
        began("panic", &text, job)?;
        hostile_common::panic()
    }

    #[job]
    fn oom(text: String, job: &Job) -> JobResult {
        began("oom", &text, job)?;
        hostile_common::bomb();
        Ok(())
    }

    #[job]
    fn host_panic(text: String, job: &Job) -> JobResult {
        began("host_panic", &text, job)?;
        hostile_common::host_panic();
        Ok(())
    }

    #[job(queue = "slow")]
    fn sleep(text: String, job: &Job) -> JobResult<String> {
        began("sleep", &text, job)?;
        wait(&text)?;
        Ok(text)
    }

    #[job(queue = "slow")]
    fn alone(text: String, job: &Job) -> JobResult {
        began("alone", &text, job)?;
        wait(&text)?;
        began("alone-ended", &text, job)
    }

    #[job(queue = "slow", timeout = "500ms")]
    fn timed(text: String, job: &Job) -> JobResult<String> {
        began("timed", &text, job)?;
        wait(&text)?;
        Ok(text)
    }

    #[job(queue = "slow")]
    fn compute(text: String, job: &Job) -> JobResult {
        began("compute", &text, job)?;
        hostile_common::rounds(text.parse().or_cancel()?);
        Ok(())
    }

    #[job]
    fn write(text: String, job: &Job) -> JobResult {
        began("write", &text, job)?;
        let (key, text) = text.split_once(' ').context("splitting the arguments").or_cancel()?;
        let mark = format!("written:{}", job.id);
        store::transaction(|tx| {
            if tx.get::<bool>(&mark)?.is_none() {
                let before: String = tx.get(key)?.unwrap_or_default();
                tx.set(key, &format!("{before} {text}"));
                tx.set(&mark, &true);
            }
            Ok::<_, Error>(())
        })?;
        Ok(())
    }

    #[job]
    fn publish(text: String, job: &Job) -> JobResult {
        began("publish", &text, job)?;
        let (topic, text) = text.split_once(' ').context("splitting the arguments").or_cancel()?;
        pubsub::publish_bytes(topic, text)?;
        Ok(())
    }

    #[job]
    fn enqueue(text: String, job: &Job) -> JobResult<u64> {
        began("enqueue", &text, job)?;
        let (name, args) = text.split_once(' ').context("splitting the arguments").or_cancel()?;
        Ok(jobs::job(name, args).enqueue()?.id.0)
    }

    #[job]
    fn meta(text: String, job: &Job) -> JobResult<Option<String>> {
        began("meta", &text, job)?;
        Ok(job.meta(&text).map(str::to_owned))
    }

    #[job]
    fn ticked(value: Value, job: &Job) -> JobResult<Value> {
        began("ticked", &value.to_string(), job)?;
        Ok(value)
    }

    #[job]
    fn nothing(job: &Job) -> JobResult {
        began("nothing", "", job)
    }

    #[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
    fn wait(ms: &str) -> JobResult {
        std::thread::sleep(Duration::from_millis(ms.parse().or_cancel()?));
        Ok(())
    }
}
