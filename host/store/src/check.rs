//! What of an operation's arguments can be refused without the database.

use crate::area::Area;
use crate::commit::{Commit, Key, Outgoing, Write};
use crate::error::Error;
use crate::job::{Settle, Settled};
use crate::limits::{
    COMMIT_AFTER_MAX, COMMIT_OPS_MAX, HOST_KEY_BYTES_MAX, KEY_BYTES_MAX, Limits, PROCESS_NAME_BYTES_MAX,
};
use crate::mail::{Mail, Receiver};
use crate::process::{BeforeChange, ProcessChange, RecordChange};

/// Whether a commit keeps the rules and the limits. Answers its bytes.
pub(crate) fn commit(commit: &Commit, limits: &Limits) -> Result<usize, Error> {
    let turn = commit.process.as_ref().map_or(0, |change| change.append.len() + change.handled.len());
    let ops = commit.checks.len()
        + commit.writes.len()
        + commit.jobs.len()
        + commit.messages.len()
        + commit.ticks.len()
        + turn;
    if ops > COMMIT_OPS_MAX {
        return Err(Error::TooLarge(COMMIT_OPS_MAX as u64));
    }
    let mut bytes = 0;
    for check in &commit.checks {
        bytes += key(&check.key)?;
    }
    for write in &commit.writes {
        bytes += match write {
            Write::Set { key: at, value: data, .. } => key(at)? + value(data.len(), limits)?,
            Write::Delete(at) | Write::Sum { key: at, .. } => key(at)?,
        };
    }
    if commit.jobs.iter().map(|job| job.after.len()).sum::<usize>() > COMMIT_AFTER_MAX {
        return Err(Error::TooLarge(COMMIT_AFTER_MAX as u64));
    }
    for job in &commit.jobs {
        if job.priority > 9 {
            return Err(Error::Invalid("a priority is 0 to 9".to_owned()));
        }
        if job.max_attempts == 0 {
            return Err(Error::Invalid("a job has at least one attempt".to_owned()));
        }
        let meta: usize = job.meta.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        bytes += value(job.args.len(), limits)? + value(meta, limits)?;
    }
    for message in &commit.messages {
        bytes += match message {
            Outgoing::Publish(publish) => {
                value(publish.data.len() + publish.event.as_ref().map_or(0, String::len), limits)?
            }
            Outgoing::Mail(mail) => one_mail(mail, limits)?,
        };
    }
    if let Some(change) = &commit.process {
        bytes += process(change, limits)?;
    }
    let limit = limits.commit_bytes_max;
    if bytes as u64 > limit { Err(Error::TooLarge(limit)) } else { Ok(bytes) }
}

/// Whether mail keeps the rules and the limits. Answers the bytes of all.
pub(crate) fn mail(mail: &[Mail], limits: &Limits) -> Result<usize, Error> {
    if mail.len() > COMMIT_OPS_MAX {
        return Err(Error::TooLarge(COMMIT_OPS_MAX as u64));
    }
    let bytes = mail.iter().map(|mail| one_mail(mail, limits)).sum::<Result<usize, Error>>()?;
    let limit = limits.commit_bytes_max;
    if bytes as u64 > limit { Err(Error::TooLarge(limit)) } else { Ok(bytes) }
}

fn one_mail(mail: &Mail, limits: &Limits) -> Result<usize, Error> {
    let to = match &mail.to {
        Receiver::Process(_) => 0,
        Receiver::Name(_, name) => process_name(name)?,
    };
    Ok(to + value(mail.data.len(), limits)?)
}

fn process(change: &ProcessChange, limits: &Limits) -> Result<usize, Error> {
    let of = |data: &bytes::Bytes| value(data.len(), limits);
    let mut bytes = change.append.iter().map(of).sum::<Result<usize, Error>>()?;
    bytes += match &change.record {
        RecordChange::Begin(_) if change.seq != 0 => {
            return Err(Error::Invalid("a process begins where there is none".to_owned()));
        }
        RecordChange::End if !change.append.is_empty() => {
            return Err(Error::Invalid("a process that ends has no more events".to_owned()));
        }
        RecordChange::Begin(new) => {
            let name = new.name.as_deref().map_or(Ok(0), process_name)?;
            let state = new.saved.as_ref().map_or(Ok(0), |saved| of(&saved.state))?;
            name + of(&new.args)? + of(&new.extra)? + state
        }
        _ if change.seq == 0 => return Err(Error::Invalid("a process that is not there has no turn".to_owned())),
        RecordChange::Turn(turn) => {
            let before = match &turn.before {
                BeforeChange::Put(saved) => of(&saved.state)?,
                BeforeChange::Keep | BeforeChange::Clear => 0,
            };
            let state = turn.saved.as_ref().map_or(Ok(0), |saved| of(&saved.state))?;
            before + state + turn.extra.as_ref().map_or(Ok(0), of)?
        }
        RecordChange::Quarantine(_) | RecordChange::End => 0,
    };
    Ok(bytes)
}

fn process_name(name: &str) -> Result<usize, Error> {
    if name.len() > PROCESS_NAME_BYTES_MAX {
        return Err(Error::TooLarge(PROCESS_NAME_BYTES_MAX as u64));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Error::Invalid("a process's name has 1 to 256 bytes, and no control characters".to_owned()));
    }
    Ok(name.len())
}

/// Whether outputs fit. Answers the bytes of all.
pub(crate) fn settles(settles: &[Settle], limits: &Limits) -> Result<usize, Error> {
    let mut bytes = 0;
    for settle in settles {
        bytes += match &settle.as_ {
            Settled::Completed { output } => value(output.as_ref().map_or(0, bytes::Bytes::len), limits)?,
            _ => 0,
        };
    }
    Ok(bytes)
}

fn key(key: &Key) -> Result<usize, Error> {
    let most = match key.area {
        Area::Plugin => KEY_BYTES_MAX,
        Area::Host => HOST_KEY_BYTES_MAX,
    };
    if key.key.len() > most {
        return Err(Error::TooLarge(most as u64));
    }
    if key.key.is_empty() || (key.area == Area::Plugin && key.key.chars().any(char::is_control)) {
        return Err(Error::Invalid("a key has 1 to 1,024 bytes, and no control characters".to_owned()));
    }
    Ok(key.key.len())
}

fn value(bytes: usize, limits: &Limits) -> Result<usize, Error> {
    let limit = limits.value_bytes_max;
    if bytes as u64 > limit { Err(Error::TooLarge(limit)) } else { Ok(bytes) }
}
