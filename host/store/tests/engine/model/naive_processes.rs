//! The model of processes, their events and mail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use skep_store::{
    BeforeChange, CommitError, KeptMail, Mail, MailId, MailPlace, ProcessChange, ProcessDone, ProcessId, ProcessRecord,
    Receiver, RecordChange, Timestamp,
};
use skep_types::PluginName;

use super::naive::go_on;

#[derive(Clone, Default)]
pub(in super::super) struct Processes {
    pub(super) records: BTreeMap<ProcessId, ProcessRecord>,
    pub(super) events: BTreeMap<(ProcessId, u64), Bytes>,
    pub(super) mail: BTreeMap<MailPlace, KeptMail>,
    last_mail: u64,
    /// What the observer is to hear.
    pub(super) told: Vec<KeptMail>,
    /// Of each write that put mail off, the earliest time.
    pub(super) told_due: Vec<Timestamp>,
}

impl Processes {
    /// As [`Naive::follow`](super::naive::Naive::follow).
    pub(super) fn follow(&mut self, mail: &[MailId]) {
        go_on(&mut self.last_mail, mail.first().map(|id| id.0));
    }

    pub(super) fn seq(&self, id: &ProcessId) -> u64 {
        self.records.get(id).map_or(0, |record| record.seq)
    }

    pub(super) fn last_event(&self, id: &ProcessId) -> u64 {
        self.records.get(id).map_or(0, |record| record.last_event)
    }

    /// The mail of this number.
    fn place(&self, id: MailId) -> Option<MailPlace> {
        self.mail.keys().find(|place| place.id == id).copied()
    }

    /// What would be refused, before anything is changed.
    pub(super) fn check(&self, change: &ProcessChange) -> Result<(), CommitError> {
        let seq = self.seq(&change.id);
        if seq != change.seq {
            return Err(CommitError::Stale { seq });
        }
        if let RecordChange::Begin(new) = &change.record
            && new.name.is_some()
        {
            let of_plugin = |record: &&ProcessRecord| record.id.plugin == change.id.plugin;
            if let Some(taken) = self.records.values().filter(of_plugin).find(|record| record.name == new.name) {
                return Err(CommitError::NameTaken(taken.id.clone()));
            }
        }
        let mut seen = BTreeSet::new();
        for id in &change.handled {
            let place = self.place(*id).filter(|place| self.mail[place].to.plugin() == &change.id.plugin);
            if place.is_none() || !seen.insert(id) {
                return Err(CommitError::Handled(*id));
            }
        }
        Ok(())
    }

    /// All but what is deleted for good.
    pub(super) fn change(&mut self, change: &ProcessChange) -> ProcessDone {
        for id in &change.handled {
            let place = self.place(*id).unwrap();
            self.mail.remove(&place);
        }
        if let RecordChange::Begin(new) = &change.record {
            let record = ProcessRecord {
                id: change.id.clone(),
                kind: new.kind.clone(),
                name: new.name.clone(),
                args: new.args.clone(),
                saved: new.saved.clone(),
                before: None,
                extra: new.extra.clone(),
                seq: 0,
                first_event: 1,
                last_event: 0,
                wake_at: new.wake_at,
                quarantined: None,
            };
            self.records.insert(change.id.clone(), record);
        }
        let record = self.records.get_mut(&change.id).unwrap();
        match &change.record {
            RecordChange::Begin(_) | RecordChange::End => {}
            RecordChange::Quarantine(why) => record.quarantined = why.clone(),
            RecordChange::Turn(turn) => {
                record.quarantined = None;
                if turn.saved.is_some() {
                    record.saved = turn.saved.clone();
                }
                if let Some(extra) = &turn.extra {
                    record.extra = extra.clone();
                }
                record.wake_at = turn.wake_at;
                match &turn.before {
                    BeforeChange::Keep => {}
                    BeforeChange::Put(before) => record.before = Some(before.clone()),
                    BeforeChange::Clear => record.before = None,
                }
            }
        }
        record.seq += 1;
        record.first_event = record.first_event.max(change.events_below.min(record.last_event + 1));
        for data in &change.append {
            record.last_event += 1;
            self.events.insert((change.id.clone(), record.last_event), data.clone());
        }
        ProcessDone { seq: record.seq, last_event: record.last_event }
    }

    /// What is deleted for good.
    pub(super) fn trim(&mut self, change: &ProcessChange) {
        if change.record == RecordChange::End {
            self.remove(&change.id);
        } else {
            let first = self.records[&change.id].first_event;
            self.events.retain(|(id, number), _| *id != change.id || *number >= first);
        }
    }

    pub(super) fn remove(&mut self, id: &ProcessId) -> bool {
        if self.records.remove(id).is_none() {
            return false;
        }
        self.events.retain(|(of, _), _| of != id);
        self.mail.retain(|_, mail| mail.to != Receiver::Process(id.clone()));
        true
    }

    pub(super) fn settle_upgrade(&mut self, plugin: &PluginName) -> u64 {
        let of_plugin = self.records.values_mut().filter(|record| record.id.plugin == *plugin);
        of_plugin.filter_map(|record| record.before.take()).count() as u64
    }

    pub(super) fn post<'a>(
        &mut self,
        from: &PluginName,
        mail: impl Iterator<Item = &'a Mail>,
        now: Timestamp,
    ) -> Vec<MailId> {
        let (mut ids, mut due) = (Vec::new(), None::<Timestamp>);
        for Mail { to, data, at } in mail {
            self.last_mail += 1;
            let (id, at) = (MailId(self.last_mail), at.map_or(now, |at| at.max(now)));
            let kept = KeptMail { id, from: from.clone(), to: to.clone(), data: data.clone(), at };
            if at > now {
                due = Some(due.map_or(at, |due| due.min(at)));
            } else {
                self.told.push(kept.clone());
            }
            self.mail.insert(kept.place(), kept);
            ids.push(id);
        }
        self.told_due.extend(due);
        ids
    }

    pub(super) fn delete_mail(&mut self, ids: &[MailId]) -> u64 {
        let places: Vec<_> = ids.iter().filter_map(|id| self.place(*id)).collect();
        places.iter().filter(|place| self.mail.remove(place).is_some()).count() as u64
    }

    pub(super) fn mail_for(&self, to: &[Receiver], now: Timestamp) -> Vec<KeptMail> {
        self.mail.values().filter(|mail| to.contains(&mail.to) && mail.at <= now).cloned().collect()
    }

    /// Processes with timers that are due, and since when.
    pub(super) fn timers(&self, now: Timestamp) -> BTreeSet<(Timestamp, ProcessId)> {
        let due = |record: &ProcessRecord| {
            let at = record.wake_at.filter(|at| *at <= now && record.quarantined.is_none())?;
            Some((at, record.id.clone()))
        };
        self.records.values().filter_map(due).collect()
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let timers = self.records.values().filter(|record| record.quarantined.is_none());
        let timers = timers.filter_map(|record| record.wake_at);
        timers.chain(self.mail.keys().map(|place| place.at)).filter(|at| *at > now).min()
    }

    /// How many processes, and bytes of them and of mail that it has sent.
    pub(super) fn usage(&self, plugin: &PluginName) -> (u64, u64) {
        let of = |bytes: &Bytes| bytes.len() as u64;
        let records: Vec<_> = self.records.values().filter(|record| record.id.plugin == *plugin).collect();
        let held = records.iter().map(|record| {
            let name = record.name.as_ref().map_or(0, String::len) as u64;
            let state = record.saved.as_ref().map_or(0, |saved| of(&saved.state));
            let before = record.before.as_ref().map_or(0, |saved| 32 + of(&saved.state));
            192 + name + of(&record.args) + of(&record.extra) + state + before
        });
        let events = self.events.iter().filter(|((id, _), _)| id.plugin == *plugin).map(|(_, data)| 32 + of(data));
        let mail = self.mail.values().filter(|mail| mail.from == *plugin).map(|mail| {
            let name = if let Receiver::Name(_, name) = &mail.to { name.len() as u64 } else { 0 };
            128 + name + of(&mail.data)
        });
        (records.len() as u64, held.chain(events).chain(mail).sum())
    }
}
