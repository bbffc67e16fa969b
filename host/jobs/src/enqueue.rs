//! From what a caller asks for to what the store inserts.

use bytes::Bytes;
use skep_store::{After, Ends, NewJob, Timestamp};
use skep_types::HandlerName;

use crate::definition::{DEFAULT_QUEUE, Definitions, MAX_ATTEMPTS, PRIORITY_MAX};
use crate::error::Error;
use crate::options::Limits;
use crate::unique::{KEY_BYTES_MAX, UniqueSpec};

/// The most jobs of one call.
pub const JOBS_MAX: usize = 1000;
/// The most jobs that one waits for.
pub const AFTER_MAX: usize = 1000;
/// The most names of a job's meta.
pub const META_MAX: usize = 16;
/// The longest name or value of a job's meta, in bytes.
pub const META_BYTES_MAX: usize = 255;

/// A job that somebody wants done. What is left out is what its definition says.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Which of the plugin's jobs. A name that no revision knows yet is allowed: the job waits for one that does.
    pub name: HandlerName,
    /// What it is given, at most [`args_bytes_max`](Limits::args_bytes_max).
    pub args: Bytes,
    /// None: its definition's, or `default` if its name is not known.
    pub queue: Option<HandlerName>,
    /// 0 to 9, low ones first. None: its definition's, or 0.
    pub priority: Option<u8>,
    /// Not before. None: at once.
    pub run_at: Option<Timestamp>,
    /// At least 1. None: its definition's, or 20.
    pub max_attempts: Option<u16>,
    /// If there may be only one like it.
    pub unique: Option<UniqueSpec>,
    /// What has to end before it, at most [`AFTER_MAX`].
    pub after: Vec<After>,
    /// Which ends will do.
    pub ends: Ends,
    /// For people: at most [`META_MAX`] of [`META_BYTES_MAX`] each.
    pub meta: Vec<(String, String)>,
}

impl JobSpec {
    /// A job of this name, and nothing special about it.
    #[must_use]
    pub fn new(name: HandlerName, args: impl Into<Bytes>) -> Self {
        Self {
            name,
            args: args.into(),
            queue: None,
            priority: None,
            run_at: None,
            max_attempts: None,
            unique: None,
            after: Vec::new(),
            ends: Ends::default(),
            meta: Vec::new(),
        }
    }
}

/// What a plugin's definitions and queues make of it.
pub(crate) struct Prepare<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) knows_queue: &'a dyn Fn(&HandlerName) -> bool,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Timestamp,
}

impl Prepare<'_> {
    pub(crate) fn all(&self, specs: Vec<JobSpec>) -> Result<Vec<NewJob>, Error> {
        if specs.len() > JOBS_MAX {
            return Err(Error::TooLarge(JOBS_MAX as u64));
        }
        specs.into_iter().enumerate().map(|(place, spec)| self.one(place, spec)).collect()
    }

    fn one(&self, place: usize, spec: JobSpec) -> Result<NewJob, Error> {
        self.check(place, &spec)?;
        let definition = self.definitions.get(&spec.name);
        let queue = match spec.queue.or_else(|| definition.map(|definition| definition.queue.clone())) {
            Some(queue) => queue,
            None => HandlerName::new(DEFAULT_QUEUE).map_err(|error| Error::Invalid(error.to_string()))?,
        };
        if !(self.knows_queue)(&queue) {
            return Err(Error::Invalid(format!("the plugin has no queue `{queue}`")));
        }
        let unique = spec.unique.map(|unique| unique.resolve(&spec.name, &queue, &spec.args, self.now));
        Ok(NewJob {
            queue,
            priority: spec.priority.or(definition.map(|definition| definition.priority)).unwrap_or(0),
            max_attempts: spec
                .max_attempts
                .or(definition.map(|definition| definition.max_attempts))
                .unwrap_or(MAX_ATTEMPTS),
            name: spec.name,
            args: spec.args,
            run_at: spec.run_at,
            unique,
            after: spec.after,
            ends: spec.ends,
            meta: spec.meta,
        })
    }

    fn check(&self, place: usize, spec: &JobSpec) -> Result<(), Error> {
        if spec.args.len() as u64 > self.limits.args_bytes_max.0 {
            return Err(Error::TooLarge(self.limits.args_bytes_max.0));
        }
        if spec.after.len() > AFTER_MAX {
            return Err(Error::TooLarge(AFTER_MAX as u64));
        }
        let invalid = |what: &str| Err(Error::Invalid(format!("job {place} (`{}`): {what}", spec.name)));
        if spec.priority.is_some_and(|priority| priority > PRIORITY_MAX) {
            return invalid("a priority is from 0 to 9");
        }
        if spec.max_attempts == Some(0) {
            return invalid("it has to be tried at least once");
        }
        if spec.meta.len() > META_MAX {
            return invalid("its meta has more than 16 names");
        }
        if spec.meta.iter().any(|(name, value)| name.len().max(value.len()) > META_BYTES_MAX) {
            return invalid("a name or value of its meta is longer than 255 bytes");
        }
        if spec.after.iter().any(|after| matches!(after, After::Place(of) if *of >= place)) {
            return invalid("it waits for a job that is not before it in the list");
        }
        let key = spec.unique.as_ref().and_then(|unique| unique.key.as_ref());
        if key.is_some_and(|key| key.len() > KEY_BYTES_MAX) {
            return invalid("its unique key is longer than 1024 bytes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;

    fn name(name: &str) -> HandlerName {
        HandlerName::new(name).unwrap()
    }

    fn prepare(specs: Vec<JobSpec>) -> Result<Vec<NewJob>, Error> {
        let definition =
            Definition { name: name("welcome"), queue: name("mail"), priority: 3, max_attempts: 5, timeout: None };
        let limits = Limits { args_bytes_max: skep_types::ByteSize(10), ..Limits::default() };
        let knows_queue = |queue: &HandlerName| ["mail", "default"].contains(&queue.as_str());
        let definitions = Definitions::new(vec![definition]);
        Prepare { definitions: &definitions, knows_queue: &knows_queue, limits: &limits, now: 0 }.all(specs)
    }

    #[test]
    fn definitions_fill_in_what_is_left_out() {
        let said = JobSpec { priority: Some(0), max_attempts: Some(1), ..JobSpec::new(name("welcome"), "") };
        let said = JobSpec { queue: Some(name("default")), ..said };
        let specs = vec![JobSpec::new(name("welcome"), ""), said, JobSpec::new(name("new"), "")];
        let shown = prepare(specs).unwrap().into_iter().map(|job| (job.queue, job.priority, job.max_attempts));
        let expected = [("mail", 3, 5), ("default", 0, 1), ("default", 0, 20)];
        assert_eq!(shown.collect::<Vec<_>>(), expected.map(|(queue, priority, max)| (name(queue), priority, max)));
    }

    #[test]
    fn each_limit_is_held() {
        let spec = || JobSpec::new(name("welcome"), "0123456789");
        let meta = |count: usize, long: usize| vec![("x".repeat(long), String::new()); count];
        let key = |long: usize| Some(UniqueSpec { key: Some("x".repeat(long)), ..UniqueSpec::default() });
        let good = [
            spec(),
            JobSpec { priority: Some(9), ..spec() },
            JobSpec { max_attempts: Some(1), ..spec() },
            JobSpec { meta: meta(16, 255), ..spec() },
            JobSpec { unique: key(1024), ..spec() },
            JobSpec { after: vec![After::Place(4); 1000], ..spec() },
        ];
        assert_eq!(prepare(good.to_vec()).unwrap().len(), 6);
        let invalid = [
            JobSpec { priority: Some(10), ..spec() },
            JobSpec { max_attempts: Some(0), ..spec() },
            JobSpec { meta: meta(17, 1), ..spec() },
            JobSpec { meta: meta(1, 256), ..spec() },
            JobSpec { unique: key(1025), ..spec() },
            JobSpec { after: vec![After::Place(0)], ..spec() },
            JobSpec { queue: Some(name("other")), ..spec() },
        ];
        for invalid in invalid {
            assert!(matches!(prepare(vec![invalid.clone()]), Err(Error::Invalid(_))), "{invalid:?}");
        }
        assert_eq!(prepare(vec![JobSpec { args: "01234567890".into(), ..spec() }]).unwrap_err(), Error::TooLarge(10));
        let after = vec![After::Job(skep_store::JobId(1)); 1001];
        assert_eq!(prepare(vec![JobSpec { after, ..spec() }]).unwrap_err(), Error::TooLarge(1000));
        assert_eq!(prepare(vec![spec(); 1001]).unwrap_err(), Error::TooLarge(1000));
    }
}
