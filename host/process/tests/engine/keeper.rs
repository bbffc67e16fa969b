//! A store in memory, as plain as can be, that fails when it is told to; and hosts that are cut off from it as if killed.

use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use skep_process::*;
use skep_store::{Error as StoreError, Timestamp};
use skep_types::PluginName;

/// What happens to the next write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing is written.
    Unavailable,
    /// It is not known what was written, and it was.
    UnknownWritten,
    /// It is not known what was written, and nothing was.
    UnknownLost,
    /// A check does not hold.
    Conflict,
    /// It is too large, whenever it is tried.
    TooLarge,
    /// It takes some looks of others.
    Slow,
    /// It is never answered, as where the host dies before; and it was written.
    HangWritten,
    /// It is never answered, and was not synced.
    HangForgotten,
}

#[derive(Clone, Default)]
struct Content {
    records: BTreeMap<u64, Record>,
    events: BTreeMap<u64, BTreeMap<u64, Bytes>>,
    mail: BTreeMap<MailId, (Mail, Option<Timestamp>)>,
    last_mail: u64,
    /// How often something was staged.
    staged: usize,
}

impl Content {
    fn due_mail(&self, after: Option<MailPlace>, now: Timestamp) -> Vec<Mail> {
        let due = self.mail.values().filter(|(_, at)| is_due(*at, now)).map(|(mail, _)| mail.clone());
        let mut due: Vec<_> = due.filter(|mail| after.is_none_or(|after| mail.place() > after)).collect();
        due.sort_by_key(Mail::place);
        due
    }
}

/// What is on the disk.
#[derive(Default)]
pub struct Disk {
    content: Mutex<Content>,
    pub faults: Mutex<VecDeque<Fault>>,
    pub commits: AtomicU64,
}

/// One host's way to the disk.
pub struct Line {
    disk: Arc<Disk>,
    cut: AtomicBool,
    /// Whether reads fail.
    pub deaf: AtomicBool,
}

impl Disk {
    pub fn line(self: &Arc<Self>) -> Arc<Line> {
        Arc::new(Line { disk: Arc::clone(self), cut: AtomicBool::new(false), deaf: AtomicBool::new(false) })
    }

    pub fn record(&self, number: Number) -> Option<Record> {
        self.content.lock().records.get(&number.0).cloned()
    }

    pub fn mail_len(&self) -> usize {
        self.content.lock().mail.len()
    }

    pub fn events_len(&self, number: Number) -> usize {
        self.content.lock().events.get(&number.0).map_or(0, BTreeMap::len)
    }

    pub fn staged(&self) -> usize {
        self.content.lock().staged
    }

    /// Mail of a commit elsewhere.
    pub fn put_mail(&self, plugin: &PluginName, to: MailTo, data: &str, at: Option<Timestamp>) {
        let mut content = self.content.lock();
        content.last_mail += 1;
        let id = MailId(content.last_mail);
        let mail = Mail { id, plugin: plugin.clone(), to, data: data.to_owned().into(), at: at.unwrap_or(0) };
        content.mail.insert(id, (mail, at));
    }

    fn write(&self, commit: TurnCommit) -> Result<(), CommitFailure> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let content = &mut *self.content.lock();
        let number = commit.pid.number.0;
        let seq = content.records.get(&number).map_or(0, |record| record.seq);
        if seq != commit.expect {
            return Err(CommitFailure::Fenced);
        }
        // As the store does: another host may have given it up meanwhile, which changes no record.
        if let Some(gone) = commit.handled.iter().find(|id| !content.mail.contains_key(id)) {
            return Err(CommitFailure::Handled(*gone));
        }
        match commit.change {
            Change::Put(record) => {
                let same = |other: &&Record| other.name.is_some() && other.name == record.name;
                let other = content.records.values().filter(same).find(|other| other.pid.number.0 != number);
                if let Some(other) = other {
                    return Err(CommitFailure::NameTaken(other.pid.clone()));
                }
                assert_eq!(record.seq, commit.expect + 1);
                let events = content.events.entry(number).or_default();
                let from = record.events_to - commit.append.len() as u64;
                events.extend((from..).zip(commit.append));
                events.retain(|at, _| *at >= record.events_from);
                content.records.insert(number, *record);
            }
            Change::Quarantine(why) => {
                let record = content.records.get_mut(&number).unwrap();
                record.quarantined = Some(why);
                record.seq += 1;
            }
            Change::Delete => {
                content.records.remove(&number);
                content.events.remove(&number);
                content.mail.retain(|_, (mail, _)| mail.to != MailTo::Number(Number(number)));
            }
        }
        content.staged += usize::from(commit.staged.is_some());
        for id in commit.handled {
            assert!(content.mail.remove(&id).is_some(), "mail is handled once");
        }
        Ok(())
    }
}

impl Line {
    /// The host is dead: nothing of it reaches the disk any more, and it hears of nothing.
    pub fn kill(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Content) -> T) -> Keeping<T> {
        if self.cut.load(Ordering::SeqCst) {
            return Box::pin(pending());
        }
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(ready(Err(StoreError::Unavailable("told to".to_owned()))));
        }
        Box::pin(ready(Ok(read(&self.disk.content.lock()))))
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

fn is_due(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| at <= now)
}

impl Keeper for Line {
    fn find_name(&self, plugin: PluginName, name: Arc<str>) -> Keeping<Option<Record>> {
        self.read(|content| {
            let is = |record: &&Record| record.pid.plugin == plugin && record.name.as_ref() == Some(&name);
            content.records.values().find(is).cloned()
        })
    }

    fn find(&self, _: PluginName, number: Number) -> Keeping<Option<Record>> {
        self.read(|content| content.records.get(&number.0).cloned())
    }

    fn list_names(
        &self,
        plugin: PluginName,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Keeping<Vec<KeptName>> {
        self.read(|content| {
            let of = content.records.values().filter(|record| record.pid.plugin == plugin);
            let mut names: Vec<_> = of
                .filter_map(|record| Some(KeptName { name: record.name.clone()?, pid: record.pid.clone() }))
                .filter(|kept| {
                    kept.name.starts_with(&prefix) && after.as_deref().is_none_or(|after| *kept.name > *after)
                })
                .collect();
            names.sort_by(|one, other| one.name.cmp(&other.name));
            names.truncate(limit);
            names
        })
    }

    fn events(&self, _: PluginName, number: Number, from: u64, limit: usize) -> Keeping<Vec<Bytes>> {
        self.read(|content| {
            let events = content.events.get(&number.0).into_iter().flat_map(|events| events.range(from..));
            events.map(|(_, event)| event.clone()).take(limit).collect()
        })
    }

    fn mail(
        &self,
        plugin: PluginName,
        to: Vec<MailTo>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> Keeping<MailPage> {
        self.read(|content| {
            let mut page = content.due_mail(after, now);
            page.retain(|mail| mail.plugin == plugin && to.contains(&mail.to));
            let more = page.len() > limit;
            page.truncate(limit);
            MailPage { mail: page, more }
        })
    }

    fn due(&self, now: Timestamp, after: DueCursor, limit: usize) -> Keeping<DuePage> {
        self.read(|content| {
            let id = |pid: &Pid| skep_store::ProcessId { plugin: pid.plugin.clone(), number: pid.number.0 };
            let records = content.records.values().filter(|record| record.quarantined.is_none());
            let mut timers: Vec<_> =
                records.clone().filter_map(|record| Some((record.wake_at?, id(&record.pid)))).collect();
            timers.retain(|timer| timer.0 <= now && after.timer.as_ref().is_none_or(|after| timer > after));
            timers.sort();
            let mut mail = content.due_mail(after.mail, now);
            let more = timers.len() > limit || mail.len() > limit;
            timers.truncate(limit);
            mail.truncate(limit);
            let cursor = DueCursor {
                timer: timers.last().cloned().or(after.timer),
                mail: mail.last().map(Mail::place).or(after.mail),
            };
            let next = records.filter_map(|record| record.wake_at);
            let next = next.chain(content.mail.values().filter_map(|(_, at)| *at)).filter(|at| *at > now).min();
            let timers = timers.into_iter().map(|(_, id)| Due {
                plugin: id.plugin,
                to: MailTo::Number(Number(id.number)),
                mail: false,
            });
            let mail = mail.into_iter().map(|mail| Due { plugin: mail.plugin, to: mail.to, mail: true });
            DuePage { due: timers.chain(mail).collect(), cursor, more, next }
        })
    }

    fn settle_upgrade(&self, plugin: PluginName) -> Keeping<()> {
        if self.is_cut() {
            return Box::pin(pending());
        }
        let mut content = self.disk.content.lock();
        let of = content.records.values_mut().filter(|record| record.pid.plugin == plugin);
        of.for_each(|record| record.before = None);
        Box::pin(ready(Ok(())))
    }

    fn delete_mail(&self, ids: Vec<MailId>) -> Keeping<()> {
        if self.is_cut() {
            return Box::pin(pending());
        }
        self.disk.content.lock().mail.retain(|id, _| !ids.contains(id));
        Box::pin(ready(Ok(())))
    }

    fn commit(&self, commit: TurnCommit) -> Keeping<(), CommitFailure> {
        if self.is_cut() {
            return Box::pin(pending());
        }
        let fault = self.disk.faults.lock().pop_front();
        let unknown = || -> Keeping<(), CommitFailure> { Box::pin(ready(Err(StoreError::OutcomeUnknown.into()))) };
        match fault {
            None => Box::pin(ready(self.disk.write(commit))),
            Some(Fault::Unavailable) => Box::pin(ready(Err(StoreError::Unavailable("told to".to_owned()).into()))),
            Some(Fault::UnknownLost) => unknown(),
            Some(Fault::UnknownWritten) => match self.disk.write(commit) {
                Ok(()) => unknown(),
                Err(refused) => Box::pin(ready(Err(refused))),
            },
            Some(Fault::Conflict) => Box::pin(ready(Err(CommitFailure::Conflict(0)))),
            Some(Fault::TooLarge) => Box::pin(ready(Err(StoreError::TooLarge(7).into()))),
            Some(Fault::Slow) => {
                let (disk, cut) = (Arc::clone(&self.disk), self.is_cut());
                Box::pin(async move {
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    if cut { pending().await } else { disk.write(commit) }
                })
            }
            Some(Fault::HangWritten) => {
                drop(self.disk.write(commit));
                Box::pin(pending())
            }
            Some(Fault::HangForgotten) => Box::pin(pending()),
        }
    }

    fn post(&self, mail: NewMail) -> Keeping<MailId> {
        if self.is_cut() {
            return Box::pin(pending());
        }
        let mut content = self.disk.content.lock();
        content.last_mail += 1;
        let id = MailId(content.last_mail);
        let at = mail.at.unwrap_or(mail.now);
        content.mail.insert(id, (Mail { id, plugin: mail.plugin, to: mail.to, data: mail.data, at }, mail.at));
        Box::pin(ready(Ok(id)))
    }
}
