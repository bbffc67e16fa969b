//! A process gets its instance: by `init`, or from what was saved of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Turn;
use super::commit::NotCommitted;
use super::guard::guarded;
use crate::alarms::Alarm;
use crate::behaviour::{Birth, Instance, Next, Saved};
use crate::cell::{Asleep, Running, Stage, Wishes};
use crate::error::{Error, Failure, StartFailure};
use crate::keeper::{Change, Record, Same, TurnCommit};
use crate::kind::Revision;
use crate::observe::Happened;
use crate::places::Place;
use crate::rare::Before;
use crate::reason::{Crash, Fault, Reason};
use crate::time::until;

/// So many events are replayed at a time.
const EVENTS_PAGE: usize = 256;

/// It did not come up.
enum Down {
    Crash(Crash),
    /// What is kept of it does not load.
    Quarantined(Crash, Box<Record>),
    Pause(Error),
    Gone,
}

impl From<Crash> for Down {
    fn from(crash: Crash) -> Self {
        Self::Crash(crash)
    }
}

impl Turn {
    pub(super) async fn bring_up(&mut self) {
        let wished = self.core.time.now();
        let revision = Arc::clone(&self.cell.kind.setup.load().revision);
        let place = match self.place(&revision).await {
            Ok(place) => place,
            Err(Down::Pause(error)) if !self.cell.lock().begun => {
                return self.end_unborn(StartFailure::Other(error), Reason::new("no instance was free")).await;
            }
            Err(down) => return self.stay_down(down).await,
        };
        let up = match std::mem::replace(&mut self.at, Stage::Unborn) {
            Stage::Unborn => return self.be_born(revision, place).await,
            Stage::Asleep(asleep) => self.wake(*asleep, revision, place).await,
            Stage::Stored => {
                self.at = Stage::Stored;
                self.recall(revision, place).await
            }
            other => {
                self.at = other;
                Ok(())
            }
        };
        match up {
            Ok(()) => self.tell(&Happened::Woke { took: until(wished, self.core.time.now()) }),
            Err(down) => self.stay_down(down).await,
        }
    }

    async fn stay_down(&mut self, down: Down) {
        match down {
            Down::Crash(crash) => self.crash(crash).await,
            Down::Pause(error) => self.pause(error).await,
            Down::Gone => self.finish(&Reason::NOPROC),
            Down::Quarantined(crash, record) => self.quarantine(crash, *record).await,
        }
    }

    /// A place among those who live; others make room.
    async fn place(&mut self, revision: &Revision) -> Result<Place, Down> {
        if !revision.saves {
            return self.core.places.always().map_err(Down::Pause);
        }
        if let Some(place) = self.core.places.try_take() {
            return Ok(place);
        }
        self.core.make_room();
        // Whoever kills it in the meantime finds it waiting, not working: it is cut off when it has its place.
        tokio::select! {
            biased;
            place = self.core.places.wait() => place.map_err(Down::Pause),
            () = self.core.stopping.cancelled() => Err(Down::Pause(Error::Stopping)),
        }
    }

    fn live(&mut self, instance: Box<dyn Instance>, revision: Arc<Revision>, committed: Option<Bytes>, place: Place) {
        self.at = Stage::Live(Box::new(Running { instance, revision, committed, _place: place }));
    }

    async fn be_born(&mut self, revision: Arc<Revision>, place: Place) {
        self.forget_init();
        let args = Bytes::copy_from_slice(&self.cell.lock().args);
        let birth = Birth { me: self.cell.identity(), args };
        let begun = guarded(&self.core, &self.cell, || revision.behaviour.init(birth)).await;
        self.cell.lock().beginning = false;
        let begun = match begun {
            Ok(begun) => begun,
            Err(crash) => return self.crash(crash).await,
        };
        self.live(begun.instance, revision, None, place);
        let turn = begun.turn;
        let stop = match &turn.next {
            Next::Stop { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        let sleep = matches!(turn.next, Next::Hibernate(_));
        let persistence = self.cell.kind.setup.load().options.persistence;
        let written = match &stop {
            Some(_) => Ok(()),
            None if persistence.commits() => self.commit(turn.staged, turn.events, None, false).await,
            None if persistence.is_kept() => self.first_snapshot().await,
            None => Ok(()),
        };
        match written {
            Ok(()) => {}
            Err(NotCommitted::Crash(crash)) => return self.crash(crash).await,
            Err(NotCommitted::Conflict) => return self.unwritten(Error::Conflict).await,
            Err(NotCommitted::Lost) => return self.unwritten(Error::Conflict).await,
            Err(NotCommitted::Store(error)) => return self.unwritten(error.into()).await,
        }
        if let Some(reason) = stop {
            let first = !self.cell.lock().begun;
            self.terminate(reason.clone()).await;
            return if first {
                self.end_unborn(StartFailure::Crashed(reason.clone()), reason).await;
            } else {
                self.end_in_order(reason).await;
            };
        }
        self.let_out();
        let born = {
            let mut state = self.cell.lock();
            if sleep {
                state.wishes.add(Wishes::SLEEP);
            }
            let first = !std::mem::replace(&mut state.begun, true);
            let born = state.rare.as_mut().map(|rare| std::mem::take(&mut rare.born)).unwrap_or_default();
            if first { Some(born) } else { None }
        };
        self.slim();
        if let Some(born) = born {
            self.tell(&Happened::Started);
            for waiter in born {
                let _ = waiter.send(Ok(()));
            }
        }
        self.watch_health();
    }

    /// The first commit of a new process failed, or that of one which begins again.
    async fn unwritten(&mut self, error: Error) {
        self.lose_instance();
        if self.cell.lock().begun {
            self.at = Stage::Unborn;
            self.cell.lock().wishes.add(Wishes::BEGIN);
            return self.pause(error).await;
        }
        self.end_unborn(StartFailure::Other(error.clone()), Reason::new(&error.to_string())).await;
    }

    async fn first_snapshot(&mut self) -> Result<(), NotCommitted> {
        let state = self.guarded(|instance| instance.save()).await?;
        self.check_size(&state)?;
        let version = self.running().map_or(0, |running| running.revision.version);
        let record = Record { saved: Some(Saved { version, state }), ..self.record() };
        self.write(None, Vec::new(), None, Some(record)).await
    }

    /// What only the start needed is not kept for the life of a million.
    fn slim(&self) {
        let mut state = self.cell.lock();
        let empty = state.rare.as_ref().is_some_and(|rare| rare.is_empty());
        if empty {
            state.rare = None;
        }
    }

    /// Timers and monitors of its `init` before: it sets them again.
    fn forget_init(&self) {
        let mut gone = Vec::new();
        {
            let mut state = self.cell.lock();
            // What is set from now on is set by `init`.
            state.beginning = true;
            let Some(rare) = state.rare.as_mut() else { return };
            rare.timers.retain(|id, timer| {
                if timer.by_init {
                    self.core.alarms.clear(timer.due, &self.cell, Alarm::Timer(*id));
                }
                !timer.by_init
            });
            rare.monitors.retain(|id, monitor| {
                if monitor.by_init {
                    gone.push((monitor.pid.clone(), *id));
                }
                !monitor.by_init
            });
        }
        for (pid, monitor) in gone {
            self.core.unwatch(&pid, &self.cell, monitor);
        }
    }

    /// After a failed round it has to be well for a while, until that is forgotten.
    fn watch_health(&self) {
        let options = self.cell.kind.setup.load().options;
        let now = self.core.time.now();
        let at = self
            .cell
            .lock()
            .rare
            .as_ref()
            .map_or(crate::time::NEVER, |rare| rare.budget.heals_at(now, &options.backoff));
        if at != crate::time::NEVER {
            self.core.alarms.set(at, &self.cell, Alarm::Heal);
        }
    }

    /// From its state in memory.
    async fn wake(&mut self, asleep: Asleep, revision: Arc<Revision>, place: Place) -> Result<(), Down> {
        let indexed = std::mem::take(&mut self.cell.lock().indexed);
        if indexed != 0 {
            self.cell.kind.asleep.remove(indexed, &self.cell);
        }
        self.core.state_bytes.fetch_sub(asleep.state.len() as u64, Ordering::Relaxed);
        let saved = Saved { version: asleep.version, state: Bytes::from(asleep.state.into_vec()) };
        let loaded = self.load_newest(&saved, &asleep.revision, &revision).await;
        match loaded {
            Ok((instance, revision)) => {
                self.live(instance, revision, Some(saved.state), place);
                self.watch_health();
                Ok(())
            }
            // The host is to blame: it sleeps on.
            Err(crash) if crash.fault == Fault::Host => {
                let state = saved.state.to_vec().into_boxed_slice();
                self.core.state_bytes.fetch_add(state.len() as u64, Ordering::Relaxed);
                self.at = Stage::Asleep(Box::new(Asleep { state, version: saved.version, revision: asleep.revision }));
                Err(Down::Pause(Error::Unavailable(crash.reason.to_string())))
            }
            Err(crash) => {
                self.at = self.cell.lock().revived();
                Err(Down::Crash(crash))
            }
        }
    }

    /// By the newest revision that can, of the two that there are.
    async fn load_newest(
        &mut self,
        saved: &Saved,
        own: &Arc<Revision>,
        newest: &Arc<Revision>,
    ) -> Result<(Box<dyn Instance>, Arc<Revision>), Crash> {
        if own.id != newest.id && self.cell.lock().refused != newest.id {
            match self.load_upgraded(saved.clone(), own, newest).await {
                Ok(instance) => return Ok((instance, Arc::clone(newest))),
                Err(crash) if crash.fault == Fault::Host => return Err(crash),
                Err(crash) => self.refuse(newest.id, crash),
            }
        }
        let instance = self.load_with(own, saved.clone()).await?;
        Ok((instance, Arc::clone(own)))
    }

    pub(super) async fn load_with(&mut self, revision: &Revision, saved: Saved) -> Result<Box<dyn Instance>, Crash> {
        let me = self.cell.identity();
        guarded(&self.core, &self.cell, || revision.behaviour.load(me, saved)).await
    }

    /// From the store.
    async fn recall(&mut self, revision: Arc<Revision>, place: Place) -> Result<(), Down> {
        let Some(keeper) = self.core.keeper.clone() else { return Err(Down::Gone) };
        let found = keeper.find(self.cell.kind.plugin.clone(), self.cell.number).await;
        let record = match found {
            Ok(Some(record)) => record,
            Ok(None) => return Err(Down::Gone),
            Err(error) => return Err(Down::Pause(error.into())),
        };
        let old = revision.replaced.lock().clone();
        let refused = self.cell.lock().refused == revision.id;
        let mut tried = if refused {
            Err(Crash::new(Fault::Returned, "refused before"))
        } else {
            self.replayed(&revision, &record).await
        };
        let mut by = Arc::clone(&revision);
        if let Err(crash) = &tried
            && crash.fault != Fault::Host
            && let Some(old) = old
        {
            let refusal = crash.clone();
            tried = self.replayed(&old, &record).await;
            if tried.is_ok() && !refused {
                self.refuse(revision.id, refusal);
            }
            by = old;
        }
        match tried {
            Ok((instance, committed)) => {
                self.took_over(&record, &by);
                self.live(instance, by, committed, place);
                self.watch_health();
                Ok(())
            }
            Err(crash) if matches!(crash.fault, Fault::Host) => {
                Err(Down::Pause(Error::Unavailable(crash.reason.to_string())))
            }
            Err(crash) if crash.fault == Fault::Killed => Err(Down::Crash(crash)),
            Err(crash) => Err(Down::Quarantined(crash, Box::new(record))),
        }
    }

    /// An instance with the state of a record, and the events since.
    async fn replayed(
        &mut self,
        revision: &Revision,
        record: &Record,
    ) -> Result<(Box<dyn Instance>, Option<Bytes>), Crash> {
        // A rollback: what was saved before the upgrade counts.
        let saved = match &record.before {
            Some(before) if revision.restores => Some(before),
            _ => record.saved.as_ref(),
        };
        let mut instance = match saved {
            Some(saved) => self.load_with(revision, saved.clone()).await?,
            None => {
                let birth = Birth { me: self.cell.identity(), args: record.args.clone() };
                guarded(&self.core, &self.cell, || revision.behaviour.init(birth)).await?.instance
            }
        };
        let mut from = record.events_from;
        while from < record.events_to {
            let Some(keeper) = &self.core.keeper else { break };
            let limit = usize::try_from(record.events_to - from).unwrap_or(EVENTS_PAGE).min(EVENTS_PAGE);
            let events = keeper.events(self.cell.kind.plugin.clone(), self.cell.number, from, limit).await;
            let events = events.map_err(|error| Crash::new(Fault::Host, &error.to_string()))?;
            if events.is_empty() {
                return Err(Crash::new(Fault::Returned, "events of it are missing in the store"));
            }
            from += events.len() as u64;
            guarded(&self.core, &self.cell, || instance.replay(events)).await?;
        }
        Ok((instance, saved.map(|saved| saved.state.clone())))
    }

    /// What a record says of the engine's own.
    fn took_over(&self, record: &Record, by: &Revision) {
        let mut state = self.cell.lock();
        state.begun = true;
        if let Some(kept) = state.kept.as_deref_mut() {
            kept.seq = record.seq;
            (kept.events_from, kept.events_to, kept.dirty) = (record.events_from, record.events_to, 0);
            let events = matches!(self.cell.kind.setup.load().options.persistence, crate::Persistence::EventLog { .. });
            kept.saved = record.saved.clone().filter(|_| events);
            kept.before = record.before.is_some();
        }
        if record.quarantined.is_some() {
            // It loads again, and what is kept of it has to say so.
            state.rare().changed = true;
        }
        if state.rare.as_ref().is_some_and(|rare| rare.before.is_some()) && !by.restores {
            return;
        }
        let own = record.saved.as_ref().filter(|saved| saved.version != by.version);
        // A state that was just restored is not kept for another rollback.
        let before = record.before.as_ref().or(own).filter(|_| !by.restores).cloned();
        if let Some(saved) = before {
            let revision = by.replaced.lock().clone();
            let written = record.before.is_some();
            state.rare().before = Some(Before { saved, upgraded_to: by.id, revision, written });
        } else if let Some(rare) = state.rare.as_mut() {
            rare.before = None;
        }
    }

    /// It is kept as it is, and shown; a new revision may be able to load it.
    async fn quarantine(&mut self, crash: Crash, record: Record) {
        let why = Reason::new(&format!("quarantined: {}", crash.reason));
        if let Some(kept) = self.cell.lock().kept.as_deref_mut() {
            kept.seq = record.seq;
        }
        if record.quarantined.is_none()
            && let Some(keeper) = &self.core.keeper
        {
            let commit = TurnCommit {
                pid: self.cell.pid(),
                now: self.core.time.wall(),
                expect: record.seq,
                change: Change::Quarantine(why.as_str().into()),
                same: Same::default(),
                append: Vec::new(),
                handled: Vec::new(),
                staged: None,
            };
            // It is for people: whether it is written or not, it is not loaded.
            if keeper.commit(commit).await.is_ok()
                && let Some(kept) = self.cell.lock().kept.as_deref_mut()
            {
                kept.seq = record.seq + 1;
            }
        }
        self.at = Stage::Quarantined;
        let refused = {
            let mut state = self.cell.lock();
            state.begun = true;
            state.rare().trouble = Some(why.clone());
            state.refuse_calls(&Failure::Crashed(why.clone()))
        };
        for (answer, failure) in refused {
            answer.give(Err(failure));
        }
        self.tell(&Happened::Quarantined(why));
    }
}
