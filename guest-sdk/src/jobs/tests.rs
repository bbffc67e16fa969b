//! Jobs as the double keeps and does them. The macros' part is in `macros/tests/ui`.

use std::time::Duration;

use super::{After, Job, JobError, JobResultExt, NewJob, State, Unique, Worker, worker};
use crate::{
    __private::bindings::workers::exports::skep::plugin::job_handler::{self as wit, Outcome},
    CapabilityError, Result, jobs, store, test,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Ends as it is told, and writes its text to the end of `done`.
struct Told;

impl Worker for Told {
    type Args = String;
    type Output = Option<String>;
    const NAME: &'static str = "told";
    const QUEUE: &'static str = "words";
    const MAX_ATTEMPTS: u16 = 3;
    const PRIORITY: u8 = 5;
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));

    fn perform(text: String, job: &Job) -> Result<Option<String>, JobError> {
        store::update("done", |done: Option<Vec<String>>| {
            let mut done = done.unwrap_or_default();
            done.push(format!("{text}{}", job.attempt));
            Some(done)
        })?;
        match text.as_str() {
            "fail" => Err("no bees")?,
            "later" => Err("busy").retry_in(MINUTE),
            "cancel" => Err("never").or_cancel(),
            "snooze" if job.inserted_at == crate::clock::now() => Err(JobError::snooze(MINUTE)),
            "nothing" => Ok(None),
            _ => Ok(Some(text)),
        }
    }
}

fn told(text: &str) -> NewJob {
    worker::typed_job::<Told>(&text.to_owned())
}

fn done() -> Vec<String> {
    store::get("done").unwrap().unwrap_or_default()
}

fn states() -> Vec<State> {
    test::jobs().iter().map(|job| job.state).collect()
}

fn why<T>(result: Result<T>) -> CapabilityError {
    result.map(|_| ()).unwrap_err().capability().expect("a refusal of the host").clone()
}

#[test]
fn what_is_not_said_of_a_job_is_what_its_function_says() {
    told("a").enqueue().unwrap();
    told("b").queue("other").priority(9).max_attempts(1).meta("tenant", "hive").enqueue().unwrap();
    let all = test::jobs();
    let shown = |index: usize| (all[index].queue.as_str(), all[index].priority, all[index].max_attempts);
    assert_eq!((shown(0), shown(1)), (("words", 5, 3), ("other", 9, 1)));
    assert_eq!((all[1].args::<String>(), &all[1].meta[0]), ("b".to_owned(), &("tenant".to_owned(), "hive".to_owned())));
}

#[test]
fn jobs_are_done_by_priority_and_what_they_return_is_kept() {
    let slow = told("slow").enqueue().unwrap();
    let quick = told("quick").priority(0).enqueue().unwrap();
    assert_eq!((test::perform_jobs(), done()), (2, vec!["quick1".into(), "slow1".into()]));
    assert_eq!(jobs::get(quick.id).unwrap().unwrap().output::<String>().unwrap(), "quick");
    assert_eq!(jobs::get(slow.id).unwrap().unwrap().state, State::Completed);
    assert!(!jobs::cancel(slow.id).unwrap());
    assert_eq!(jobs::get(jobs::JobId(99)).unwrap(), None);
}

#[test]
fn a_job_that_fails_is_tried_again_until_it_is_discarded() {
    let id = told("fail").enqueue().unwrap().id;
    // As Oban has it: 15 s and 2, 4, 8 s.
    for (after_s, state) in [(17, State::Retryable), (19, State::Retryable), (23, State::Discarded)] {
        assert_eq!((test::perform_jobs(), states()), (1, vec![state]));
        test::advance(Duration::from_secs(after_s - 1));
        assert_eq!(test::perform_jobs(), 0);
        test::advance(Duration::from_secs(1));
    }
    let status = jobs::await_end(id, MINUTE).unwrap();
    assert_eq!((status.attempt, status.last_error.as_deref()), (3, Some("no bees")));
    let error = status.output::<String>().unwrap_err().to_string();
    assert_eq!(error, "reading what the job 1 returned: it is discarded: no bees");
}

#[test]
fn a_job_says_when_or_whether_it_is_tried_again() {
    told("later").enqueue().unwrap();
    told("cancel").enqueue().unwrap();
    told("snooze").enqueue().unwrap();
    assert_eq!(test::perform_jobs(), 3);
    assert_eq!(states(), [State::Retryable, State::Cancelled, State::Scheduled]);
    test::advance(MINUTE);
    assert_eq!(test::perform_jobs(), 2);
    assert_eq!(states(), [State::Retryable, State::Cancelled, State::Completed]);
    // The attempt that was put off does not count.
    assert_eq!(test::jobs().iter().map(|job| job.attempt).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(test::jobs()[1].last_error.as_deref(), Some("never"));
}

#[test]
fn a_job_waits_for_its_time() {
    told("a").in_(MINUTE).enqueue().unwrap();
    told("b").at(crate::clock::now() + 2 * MINUTE).enqueue().unwrap();
    assert_eq!((test::perform_jobs(), states()), (0, vec![State::Scheduled; 2]));
    test::advance(MINUTE);
    assert_eq!((test::perform_jobs(), states()), (1, vec![State::Completed, State::Scheduled]));
    assert!(jobs::cancel(test::jobs()[1].id).unwrap());
    test::advance(MINUTE);
    assert_eq!(test::perform_jobs(), 0);
}

#[test]
fn a_unique_job_is_there_once() {
    let first = told("a").unique_for(MINUTE).enqueue().unwrap();
    let again = told("a").unique_for(MINUTE).enqueue().unwrap();
    assert_eq!((again.id, again.was_there), (first.id, true));
    assert!(!told("b").unique_for(MINUTE).enqueue().unwrap().was_there);
    // With a period it keeps others out even when it is done, and not longer.
    test::perform_jobs();
    assert!(told("a").unique_for(MINUTE).enqueue().unwrap().was_there);
    test::advance(MINUTE);
    assert!(!told("a").unique_for(MINUTE).enqueue().unwrap().was_there);
}

#[test]
fn a_key_stands_in_place_of_the_arguments() {
    let first = told("a").unique_by("maja").enqueue().unwrap();
    assert_eq!(told("b").unique_by("maja").enqueue().unwrap().id, first.id);
    assert!(!told("a").unique_by("willi").enqueue().unwrap().was_there);
    // Without a period only until it has ended.
    test::perform_jobs();
    assert!(!told("b").unique_by("maja").enqueue().unwrap().was_there);
    let refused = told("c").unique(Unique::by_key("maja").or_refuse()).enqueue();
    assert_eq!(why(refused), CapabilityError::Conflict);
}

#[test]
fn the_unique_job_that_is_there_can_be_changed() {
    let debounce = || Unique::by_name().replace_run_at().replace_args();
    told("a").in_(MINUTE).unique(debounce()).enqueue().unwrap();
    test::advance(MINUTE / 2);
    assert!(told("b").in_(MINUTE).unique(debounce()).enqueue().unwrap().was_there);
    test::advance(MINUTE / 2);
    assert_eq!(test::perform_jobs(), 0);
    test::advance(MINUTE / 2);
    assert_eq!((test::perform_jobs(), done()), (1, vec!["b1".to_owned()]));
}

#[test]
fn jobs_wait_for_those_before_them() {
    let first = told("a").in_(MINUTE).enqueue().unwrap();
    told("b").after(first).enqueue().unwrap();
    jobs::enqueue_all([told("c"), told("d").after(After::Place(0)).after(first.id)]).unwrap();
    assert_eq!((test::perform_jobs(), done()), (1, vec!["c1".to_owned()]));
    test::advance(MINUTE);
    test::perform_jobs();
    assert_eq!(done(), ["c1", "a1", "b1", "d1"]);
    assert!(matches!(why(told("e").after(After::Place(0)).enqueue()), CapabilityError::Invalid(_)));
}

#[test]
fn a_batch_calls_back_when_all_are_done_or_have_ended() {
    let batch = || jobs::batch([told("a"), told("cancel")]);
    batch().finally(told("ended")).enqueue().unwrap();
    batch().then(told("well")).enqueue().unwrap();
    store::atomic().enqueue(told("x")).enqueue_all(batch().finally(told("committed"))).commit().unwrap();
    test::perform_jobs();
    let done = done();
    assert!(done.contains(&"ended1".into()) && done.contains(&"committed1".into()) && !done.contains(&"well1".into()));
    assert_eq!(test::jobs()[5].state, State::Cancelled);
}

#[test]
fn a_name_that_nobody_knows_waits() {
    let job = jobs::job("told", "a").enqueue().unwrap();
    assert_eq!((test::perform_jobs(), states()), (0, vec![State::Suspended]));
    assert_eq!(why(jobs::await_end(job.id, MINUTE)), CapabilityError::Timeout);
    test::worker::<Told>();
    assert_eq!(jobs::await_end(job.id, MINUTE).unwrap().state, State::Completed);
}

#[test]
fn all_jobs_of_a_list_are_enqueued_or_none() {
    let error = jobs::enqueue_all([told("a"), told("b").priority(10)]).unwrap_err();
    assert_eq!(error.to_string(), "enqueueing 2 jobs, the first of them `told`: invalid: a priority is 0 to 9");
    assert!(test::jobs().is_empty());
    test::fail_commit(CapabilityError::Full);
    assert_eq!(why(told("a").enqueue()), CapabilityError::Full);
    let no_json = jobs::job("told", &std::collections::BTreeMap::from([((1, 2), 3)])).enqueue().unwrap_err();
    assert!(no_json.to_string().starts_with("writing the arguments of the job `told`: key must be a string"));
}

#[test]
fn what_crosses_the_border_is_json() {
    let given = |args: &[u8]| wit::Job {
        id: 7,
        name: "told".into(),
        args: args.to_vec(),
        attempt: 1,
        max_attempts: 3,
        inserted_at: 0,
        meta: Vec::new(),
    };
    let perform = |args: &[u8]| worker::perform::<Told>(given(args));
    assert!(matches!(perform(br#""a""#), Outcome::Done(Some(output)) if output == br#""a""#));
    assert!(matches!(perform(br#""nothing""#), Outcome::Done(None)));
    assert!(matches!(perform(br#""later""#), Outcome::FailedRetryIn((why, 60_000)) if why == "busy"));
    let Outcome::Failed(error) = perform(b"7") else { panic!("7 is no text") };
    assert!(error.starts_with("reading the arguments of the job `told`: invalid type: integer `7`"), "{error}");
    let definition = worker::definition::<Told>();
    assert_eq!((definition.queue.as_str(), definition.timeout), ("words", Some(30_000)));
}

#[test]
fn what_takes_nothing_is_content_with_whatever_a_manifest_says() {
    for args in [&b""[..], b"null", b"{}"] {
        crate::codec::from_payload::<()>(args).unwrap();
    }
    assert!(crate::codec::from_payload::<()>(b"[1]").is_err());
    let error = crate::codec::from_payload::<u32>(b"{}").unwrap_err();
    assert!(error.to_string().contains("map"), "{error}");
}
