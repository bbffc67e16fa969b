//! The port to the store, over the durable store of the host.
//!
//! The engine counts a process's events from 0, the store numbers them from 1.

use std::sync::Arc;

use bytes::Bytes;
use skep_store::{
    BeforeChange, Commit, CommitError, Error, NewProcess, ProcessChange, ProcessId, ProcessRecord, ProcessStore,
    ProcessTurn, Receiver, Timestamp,
};
use skep_types::{HandlerName, PluginName};

use crate::address::{Number, Pid};
use crate::behaviour::Saved;
use crate::keeper::{
    Change, CommitFailure, Due, DueCursor, DuePage, Keeper, Keeping, KeptName, Mail, MailId, MailPage, MailPlace,
    MailTo, NewMail, Record, Same, TurnCommit,
};

/// Keeps processes in a [`ProcessStore`]. The store's observer has to pass what it hears to
/// [`Processes::hear`](crate::Processes::hear).
pub struct StoreKeeper {
    store: Arc<dyn ProcessStore>,
}

impl StoreKeeper {
    /// In this store.
    #[must_use]
    pub fn new(store: Arc<dyn ProcessStore>) -> Self {
        Self { store }
    }
}

impl Keeper for StoreKeeper {
    fn find_name(&self, plugin: PluginName, name: Arc<str>) -> Keeping<Option<Record>> {
        let found = self.store.process_by_name(plugin, name.as_ref().to_owned());
        Box::pin(async move { Ok(found.await?.map(record)) })
    }

    fn find(&self, plugin: PluginName, number: Number) -> Keeping<Option<Record>> {
        let found = self.store.process(ProcessId { plugin, number: number.0 });
        Box::pin(async move { Ok(found.await?.map(record)) })
    }

    fn list_names(
        &self,
        plugin: PluginName,
        prefix: String,
        mut after: Option<String>,
        limit: usize,
    ) -> Keeping<Vec<KeptName>> {
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            let mut names = Vec::new();
            loop {
                let left = limit.saturating_sub(names.len());
                let page = store.process_names(plugin.clone(), prefix.clone(), after, left).await?;
                after = page.processes.last().and_then(|head| head.name.clone());
                names.extend(page.processes.into_iter().filter_map(|head| {
                    let name = head.name?.into();
                    Some(KeptName { name, pid: pid(head.id, &head.kind) })
                }));
                if !page.more || names.len() >= limit || after.is_none() {
                    return Ok(names);
                }
            }
        })
    }

    fn events(&self, plugin: PluginName, number: Number, from: u64, limit: usize) -> Keeping<Vec<Bytes>> {
        // Those behind the number of the one before.
        let page = self.store.process_events(ProcessId { plugin, number: number.0 }, from, limit);
        Box::pin(async move { Ok(page.await?.events.into_iter().map(|event| event.data).collect()) })
    }

    fn mail(
        &self,
        plugin: PluginName,
        to: Vec<MailTo>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> Keeping<MailPage> {
        let to = to.into_iter().map(|to| receiver(&plugin, to)).collect();
        let page = self.store.mail_for(to, after, now, limit);
        Box::pin(async move {
            let page = page.await?;
            let mail = page.mail.into_iter().map(|mail| {
                let (plugin, to) = mail_to(mail.to);
                Mail { id: mail.id, plugin, to, data: mail.data, at: mail.at }
            });
            Ok(MailPage { mail: mail.collect(), more: page.more })
        })
    }

    fn due(&self, now: Timestamp, after: DueCursor, limit: usize) -> Keeping<DuePage> {
        let page = self.store.processes_due(after, now, limit);
        Box::pin(async move {
            let page = page.await?;
            let due = page.due.into_iter().map(|due| {
                let (plugin, to) = mail_to(due.to);
                Due { plugin, to, mail: due.mail }
            });
            Ok(DuePage { due: due.collect(), cursor: page.cursor, more: page.more, next: page.next })
        })
    }

    fn delete_mail(&self, ids: Vec<MailId>) -> Keeping<()> {
        let deleted = self.store.delete_mail(ids);
        Box::pin(async move { deleted.await.map(drop) })
    }

    fn commit(&self, turn: TurnCommit) -> Keeping<(), CommitFailure> {
        let (plugin, checks) = (turn.pid.plugin.clone(), turn.staged.as_ref().map_or(0, |staged| staged.checks.len()));
        let commit = match commit(turn) {
            Ok(commit) => commit,
            Err(error) => return Box::pin(std::future::ready(Err(error.into()))),
        };
        let written = self.store.commit(commit);
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            Err(match written.await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(at)) => CommitFailure::Conflict(at),
                // Behind all checks.
                Err(CommitError::Duplicate(job)) => CommitFailure::Conflict(checks + job),
                Err(CommitError::Stale { .. }) => CommitFailure::Fenced,
                Err(CommitError::Handled(id)) => CommitFailure::Handled(id),
                Err(CommitError::Store(error)) => error.into(),
                Err(CommitError::NameTaken(id)) => {
                    // Of what kind it is is not in the refusal; if it has ended meanwhile, nobody asks.
                    let found = store.process(id.clone()).await.ok().flatten();
                    let kind = found.map_or_else(|| "-".into(), |found| found.kind.as_str().into());
                    CommitFailure::NameTaken(Pid { plugin, kind, number: Number(id.number) })
                }
            })
        })
    }

    fn post(&self, mail: NewMail) -> Keeping<MailId> {
        let NewMail { plugin, to, data, at, now } = mail;
        let mail = skep_store::Mail { to: receiver(&plugin, to), data, at };
        let posted = self.store.post_mail(plugin, vec![mail], now);
        Box::pin(async move { posted.await?.pop().ok_or(Error::OutcomeUnknown) })
    }

    fn settle_upgrade(&self, plugin: PluginName) -> Keeping<()> {
        let settled = self.store.settle_upgrade(plugin);
        Box::pin(async move { settled.await.map(drop) })
    }
}

fn commit(turn: TurnCommit) -> Result<Commit, Error> {
    let TurnCommit { pid, now, expect, change, same, append, handled, staged } = turn;
    let mut commit = Commit::new(pid.plugin.clone(), now);
    if let Some(staged) = staged {
        commit.checks = staged.checks;
        commit.writes = staged.writes;
        commit.jobs = staged.jobs;
        commit.messages = staged.messages;
    }
    let id = ProcessId { plugin: pid.plugin.clone(), number: pid.number.0 };
    let mut process = match change {
        Change::Put(record) => {
            let below = record.events_from.saturating_add(1);
            let put = if expect == 0 {
                ProcessChange::begin(id, begin(*record)?)
            } else {
                turn_of(id, expect, *record, same)
            };
            ProcessChange { events_below: below, ..put }
        }
        Change::Quarantine(why) => ProcessChange::quarantine(id, expect, Some(why.as_ref().to_owned())),
        Change::Delete => ProcessChange::end(id, expect),
    };
    process.append = append;
    process.handled = handled;
    commit.process = Some(process);
    Ok(commit)
}

fn begin(record: Record) -> Result<NewProcess, Error> {
    Ok(NewProcess {
        kind: HandlerName::new(&record.pid.kind).map_err(|error| Error::Invalid(error.to_string()))?,
        name: record.name.map(|name| name.as_ref().to_owned()),
        args: record.args,
        saved: record.saved.map(saved),
        extra: record.extra,
        wake_at: record.wake_at,
    })
}

fn turn_of(id: ProcessId, expect: u64, record: Record, same: Same) -> ProcessChange {
    let before = match record.before {
        _ if same.before => BeforeChange::Keep,
        Some(before) => BeforeChange::Put(saved(before)),
        None => BeforeChange::Clear,
    };
    let turn = ProcessTurn {
        saved: record.saved.filter(|_| !same.saved).map(saved),
        before,
        extra: Some(record.extra),
        wake_at: record.wake_at,
    };
    ProcessChange::turn(id, expect, turn)
}

fn saved(saved: Saved) -> skep_store::Saved {
    skep_store::Saved { version: saved.version, state: saved.state }
}

fn record(record: ProcessRecord) -> Record {
    let own = |saved: skep_store::Saved| Saved { version: saved.version, state: saved.state };
    Record {
        pid: pid(record.id, &record.kind),
        name: record.name.map(Into::into),
        args: record.args,
        saved: record.saved.map(own),
        before: record.before.map(own),
        events_from: record.first_event.saturating_sub(1),
        events_to: record.last_event,
        extra: record.extra,
        wake_at: record.wake_at,
        quarantined: record.quarantined.map(Into::into),
        seq: record.seq,
    }
}

fn pid(id: ProcessId, kind: &HandlerName) -> Pid {
    Pid { plugin: id.plugin, kind: kind.as_str().into(), number: Number(id.number) }
}

fn receiver(plugin: &PluginName, to: MailTo) -> Receiver {
    match to {
        MailTo::Number(number) => Receiver::Process(ProcessId { plugin: plugin.clone(), number: number.0 }),
        MailTo::Name(name) => Receiver::Name(plugin.clone(), name.as_ref().to_owned()),
    }
}

fn mail_to(to: Receiver) -> (PluginName, MailTo) {
    match to {
        Receiver::Process(id) => (id.plugin, MailTo::Number(Number(id.number))),
        Receiver::Name(plugin, name) => (plugin, MailTo::Name(name.into())),
    }
}
