//! A process moves to another revision of its behaviour, or goes on with the old one as if nothing had been.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Turn;
use super::commit::NotCommitted;
use super::guard::guarded;
use crate::behaviour::{Birth, Instance, Saved};
use crate::cell::Stage;
use crate::kind::{Revision, same};
use crate::observe::Happened;
use crate::rare::Before;
use crate::reason::{Crash, Fault};

impl Turn {
    /// The new revision could not take it.
    pub(super) fn refuse(&self, revision: u64, crash: Crash) {
        {
            let mut state = self.cell.lock();
            state.refused = revision;
            state.rare().upgrade_failed = Some(crash.reason.clone());
        }
        self.tell(&Happened::UpgradeFailed(crash));
    }

    /// A live one, between two messages.
    pub(super) async fn upgrade(&mut self) {
        let newest = Arc::clone(&self.cell.kind.setup.load().revision);
        let Some(own) = self.running().map(|running| Arc::clone(&running.revision)) else { return };
        if same(&own.behaviour, &newest.behaviour) {
            // It never left the one that is back.
            if let Some(running) = self.running() {
                running.revision = newest;
            }
            return;
        }
        if !own.saves || !newest.saves {
            return self.begin_anew(newest).await;
        }
        let saved = match self.guarded(|instance| instance.save()).await {
            Ok(state) => Saved { version: own.version, state },
            Err(crash) if crash.fault == Fault::Host => return self.refuse(newest.id, crash),
            Err(crash) if crash.fault == Fault::Returned => return self.refuse(newest.id, crash),
            Err(crash) => return self.crash(crash).await,
        };
        match self.load_upgraded(saved, &own, &newest).await {
            Ok(instance) => {
                if let Some(running) = self.running() {
                    running.instance = instance;
                    running.revision = newest;
                    running.committed = None;
                }
            }
            Err(crash) if crash.fault == Fault::Killed => self.crash(crash).await,
            Err(crash) => self.refuse(newest.id, crash),
        }
    }

    /// One that cannot be saved begins again; if that fails it goes on.
    async fn begin_anew(&mut self, newest: Arc<Revision>) {
        let args = bytes::Bytes::copy_from_slice(&self.cell.lock().args);
        let birth = Birth { me: self.cell.identity(), args };
        let begun = guarded(&self.core, &self.cell, || newest.behaviour.init(birth)).await;
        match begun {
            Ok(begun) => {
                let from = self.running().map_or(0, |running| running.revision.version);
                let to = newest.version;
                if let Stage::Live(running) = &mut self.at {
                    running.instance = begun.instance;
                    running.revision = newest;
                }
                self.tell(&Happened::Upgraded { from, to });
            }
            Err(crash) => self.refuse(newest.id, crash),
        }
    }

    /// Loads what the old revision saved with the new one, or, if that is a rollback, what it had saved before; and keeps
    /// what is needed to go back.
    pub(super) async fn load_upgraded(
        &mut self,
        saved: Saved,
        own: &Arc<Revision>,
        newest: &Arc<Revision>,
    ) -> Result<Box<dyn Instance>, Crash> {
        let settled = self.cell.kind.settled.load(Ordering::Relaxed);
        let before = {
            let state = self.cell.lock();
            state.rare.as_ref().and_then(|rare| rare.before.clone()).filter(|before| before.upgraded_to > settled)
        };
        let back = before.filter(|before| {
            newest.restores && before.revision.as_ref().is_none_or(|old| same(&old.behaviour, &newest.behaviour))
        });
        let restores = back.is_some();
        let from = saved.version;
        let loads = back.map_or_else(|| saved.clone(), |before| before.saved);
        let mut instance = self.load_with(newest, loads.clone()).await?;
        // What it saves now has to be loadable too, or else the next sleep would be its last.
        let now = guarded(&self.core, &self.cell, || instance.save()).await?;
        self.check_size(&now)?;
        let revision = Some(Arc::clone(own));
        let kept = (!restores).then(|| Before { saved, upgraded_to: newest.id, revision, written: false });
        let old = {
            let mut state = self.cell.lock();
            let rare = state.rare();
            rare.upgrade_failed = None;
            std::mem::replace(&mut rare.before, kept)
        };
        if let Err(crash) = self.write_upgraded(Saved { version: newest.version, state: now }).await {
            self.cell.lock().rare().before = old;
            return Err(crash);
        }
        self.tell(&if restores { Happened::RolledBack } else { Happened::Upgraded { from, to: newest.version } });
        Ok(instance)
    }

    /// What is kept has to survive the host as well.
    async fn write_upgraded(&mut self, saved: Saved) -> Result<(), Crash> {
        let kept = self.cell.lock().kept.as_ref().is_some_and(|kept| kept.seq > 0);
        if !kept {
            return Ok(());
        }
        let mut record = self.record();
        record.events_from = record.events_to;
        record.saved = Some(saved);
        match self.write(None, Vec::new(), None, Some(record)).await {
            Ok(()) => Ok(()),
            Err(NotCommitted::Crash(crash)) => Err(crash),
            Err(NotCommitted::Store(error)) => Err(Crash::new(Fault::Host, &error.to_string())),
            Err(NotCommitted::Conflict | NotCommitted::Lost) => {
                Err(Crash::new(Fault::Returned, "another owner has written this process"))
            }
        }
    }
}
