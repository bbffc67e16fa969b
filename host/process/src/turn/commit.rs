//! What a message did is written before its answer leaves; and a snapshot after it.

use std::time::Duration;

use bytes::Bytes;

use super::Turn;
use crate::alarms::Alarm;
use crate::behaviour::{Saved, Staged};
use crate::cell::{Stage, State};
use crate::keeper::{Change, CommitFailure, Keeper, MailId, Record, TurnCommit};
use crate::observe::Happened;
use crate::options::Persistence;
use crate::reason::{Crash, Fault};
use crate::retry::Retry;
use crate::time::nanos;

/// Nothing was written.
pub(super) enum NotCommitted {
    /// The process failed before it came to that.
    Crash(Crash),
    Conflict,
    Store(skep_store::Error),
    /// Another owner wrote it, or it is gone.
    Lost,
}

impl From<Crash> for NotCommitted {
    fn from(crash: Crash) -> Self {
        Self::Crash(crash)
    }
}

impl Turn {
    /// Commits what a message did, if it did anything.
    pub(super) async fn commit(
        &mut self,
        staged: Option<Box<Staged>>,
        mut events: Vec<Bytes>,
        mail: Option<MailId>,
        ends: bool,
    ) -> Result<(), NotCommitted> {
        let persistence = self.cell.kind.setup.load().options.persistence;
        if ends {
            return self.write(staged, Vec::new(), mail, None).await;
        }
        let mut record = self.record();
        let first = record.seq == 1;
        let changed = self.cell.lock().rare.as_ref().is_some_and(|rare| rare.changed);
        let mut dirty = first || changed || staged.is_some() || mail.is_some() || !events.is_empty();
        record.events_to += events.len() as u64;
        let mut committed = None;
        let save = match persistence {
            Persistence::EventLog { snapshot_every } => {
                record.events_to.saturating_sub(record.events_from) >= u64::from(snapshot_every.get())
            }
            _ => true,
        };
        if save {
            let state = self.guarded(|instance| instance.save()).await?;
            self.check_size(&state)?;
            let version = self.running().map_or(0, |running| running.revision.version);
            let last = self.running().and_then(|running| running.committed.clone());
            dirty |= last.as_ref() != Some(&state);
            // What happened just now is in the state already.
            record.events_to = record.events_to.saturating_sub(events.len() as u64);
            record.events_from = record.events_to;
            events.clear();
            committed = Some(state.clone());
            record.saved = Some(Saved { version, state });
        }
        if !dirty {
            return Ok(());
        }
        self.write(staged, events, mail, Some(record)).await?;
        if let (Some(state), Some(running)) = (committed, self.running()) {
            running.committed = Some(state);
        }
        Ok(())
    }

    pub(super) fn check_size(&self, state: &Bytes) -> Result<(), Crash> {
        let limit = self.core.options.limits.message_bytes_max;
        if state.len() > limit.as_usize() {
            return Err(Crash::new(Fault::Returned, &format!("its state is larger than {limit}")));
        }
        Ok(())
    }

    /// The record as it is to be written next, with the state that was written last.
    pub(super) fn record(&self) -> Record {
        let (extra, wake_at) = self.cell.extra(&self.core.time);
        let state = self.cell.lock();
        let kept = state.kept.as_deref();
        let before = state.rare.as_ref().and_then(|rare| rare.before.as_ref());
        let settled = self.cell.kind.settled.load(std::sync::atomic::Ordering::Relaxed);
        Record {
            pid: self.cell.pid(),
            name: self.cell.name.clone(),
            args: Bytes::copy_from_slice(&state.args),
            saved: kept.and_then(|kept| kept.saved.clone()),
            before: before.filter(|before| before.upgraded_to > settled).map(|before| before.saved.clone()),
            events_from: kept.map_or(0, |kept| kept.events_from),
            events_to: kept.map_or(0, |kept| kept.events_to),
            extra,
            wake_at,
            quarantined: None,
            seq: kept.map_or(0, |kept| kept.seq) + 1,
        }
    }

    /// Writes a record, or deletes it, and learns what became of that.
    pub(super) async fn write(
        &mut self,
        staged: Option<Box<Staged>>,
        append: Vec<Bytes>,
        mail: Option<MailId>,
        record: Option<Record>,
    ) -> Result<(), NotCommitted> {
        let Some(keeper) = self.core.keeper.clone() else { return Ok(()) };
        let (expect, same) = {
            let state = self.cell.lock();
            let same = record.as_ref().zip(state.kept.as_deref()).map(|(record, kept)| kept.same(record, &state));
            (state.kept.as_ref().map_or(0, |kept| kept.seq), same.unwrap_or_default())
        };
        let change = match &record {
            Some(record) => Change::Put(Box::new(record.clone())),
            None if expect == 0 => return Ok(()),
            None => Change::Delete,
        };
        let commit = TurnCommit {
            pid: self.cell.pid(),
            now: self.core.time.wall(),
            expect,
            change,
            same,
            append,
            handled: mail.into_iter().collect(),
            staged,
        };
        let written = tokio::select! {
            biased;
            written = keeper.commit(commit) => written,
            () = self.core.stopped.cancelled() => Err(CommitFailure::Store(skep_store::Error::OutcomeUnknown)),
        };
        match written {
            Ok(()) => {}
            // Whoever handled the mail before has done what there was to do.
            Err(CommitFailure::Conflict(_) | CommitFailure::Handled(_)) => return Err(NotCommitted::Conflict),
            Err(CommitFailure::Fenced | CommitFailure::NameTaken(_)) => return Err(NotCommitted::Lost),
            Err(CommitFailure::Store(skep_store::Error::OutcomeUnknown)) => {
                self.find_out(keeper.as_ref(), expect, record.is_none()).await?;
            }
            Err(CommitFailure::Store(error)) => return Err(NotCommitted::Store(error)),
        }
        self.note_written(record, mail);
        Ok(())
    }

    fn note_written(&self, record: Option<Record>, mail: Option<MailId>) {
        let mut state = self.cell.lock();
        if let (Some(kept), Some(record)) = (state.kept.as_deref_mut(), record) {
            let events = matches!(self.cell.kind.setup.load().options.persistence, Persistence::EventLog { .. });
            kept.seq = record.seq;
            (kept.events_from, kept.events_to, kept.dirty) = (record.events_from, record.events_to, 0);
            kept.before = record.before.is_some();
            // Of an event log the state is written again with each record until there is a new one.
            kept.saved = record.saved.filter(|_| events);
        }
        let before_is = state.kept.as_ref().is_some_and(|kept| kept.before);
        if let Some(rare) = state.rare.as_deref_mut() {
            rare.changed = false;
            rare.pauses = 0;
            if let Some(before) = rare.before.as_mut() {
                before.written = before_is;
            }
            if let Some(mail) = mail {
                rare.mail.remove(&mail);
            }
        }
    }

    /// It is not known whether it was written: the record says so, as soon as it can be read.
    async fn find_out(&mut self, keeper: &dyn Keeper, expect: u64, deleted: bool) -> Result<(), NotCommitted> {
        let mut retry = Retry::default();
        let unknown = || NotCommitted::Store(skep_store::Error::OutcomeUnknown);
        loop {
            match keeper.find(self.cell.kind.plugin.clone(), self.cell.number).await {
                Ok(Some(record)) if record.seq == expect + 1 => return Ok(()),
                Ok(None) if deleted => return Ok(()),
                Ok(Some(record)) if record.seq == expect => break,
                Ok(None) if expect == 0 => break,
                Ok(_) => return Err(NotCommitted::Lost),
                Err(_) => tokio::select! {
                    biased;
                    () = self.core.stopping.cancelled() => return Err(unknown()),
                    () = self.core.time.sleep(retry.failed()) => {}
                },
            }
        }
        Err(NotCommitted::Store(skep_store::Error::Unavailable("it was not written".to_owned())))
    }

    /// Mail that was handled and came to nothing goes, so that it does not come again for ever.
    pub(super) async fn lose_mail(&mut self, mail: Option<MailId>) {
        let (Some(id), Some(keeper)) = (mail, self.core.keeper.clone()) else { return };
        if keeper.delete_mail(vec![id]).await.is_ok()
            && let Some(rare) = self.cell.lock().rare.as_mut()
        {
            rare.mail.remove(&id);
        }
    }

    /// Whether the snapshot is to be written now; if not, it will be when its time has come.
    pub(super) fn count_dirty(&self, state: &mut State, every_messages: u32, every: Duration) -> bool {
        let Some(kept) = state.kept.as_deref_mut() else { return false };
        kept.dirty = kept.dirty.saturating_add(1);
        if kept.dirty == 1 && every_messages > 1 {
            let at = self.core.time.now().saturating_add(nanos(every));
            self.core.alarms.set(at, &self.cell, Alarm::Write);
        }
        kept.dirty.is_multiple_of(every_messages)
    }

    /// Writes the state behind. If that fails the process goes on, and it is tried again.
    pub(super) async fn write_snapshot(&mut self) {
        let dirty = self.cell.lock().kept.as_ref().is_some_and(|kept| kept.dirty > 0 || kept.seq == 0);
        if !dirty || !matches!(self.at, Stage::Live(_)) {
            return;
        }
        let state = match self.guarded(|instance| instance.save()).await {
            Ok(state) => state,
            Err(crash) => return self.crash(crash).await,
        };
        if let Err(crash) = self.check_size(&state) {
            return self.crash(crash).await;
        }
        let version = self.running().map_or(0, |running| running.revision.version);
        let record = Record { saved: Some(Saved { version, state }), ..self.record() };
        match self.write(None, Vec::new(), None, Some(record)).await {
            Ok(()) => {}
            Err(NotCommitted::Store(error)) => {
                self.tell(&Happened::NotCommitted(error));
                let at = self.core.time.after(self.core.options.poll);
                self.core.alarms.set(at, &self.cell, Alarm::Write);
            }
            Err(NotCommitted::Crash(crash)) => self.crash(crash).await,
            Err(NotCommitted::Conflict | NotCommitted::Lost) => self.lost().await,
        }
    }

    /// How often, and how long in between, is said by the policy: 100 ms, doubled up to 5 s.
    pub(super) fn pause_time(state: &mut State) -> Duration {
        let rare = state.rare();
        rare.pauses = rare.pauses.saturating_add(1);
        Retry::after(rare.pauses)
    }
}
