//! Kinds come, change and go, and what that means for their processes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use skep_types::PluginName;

use crate::address::check_kind;
use crate::behaviour::Behaviour;
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::Error;
use crate::kind::{Kind, Revision, Setup, same};
use crate::options::{KindOptions, Persistence};
use crate::rare::StopOrder;
use crate::reason::Reason;
use crate::retry::Retry;
use crate::turn;

impl Core {
    pub(crate) fn set_kind(
        self: &Arc<Self>,
        plugin: &PluginName,
        name: &str,
        options: KindOptions,
        behaviour: Arc<dyn Behaviour>,
        back: bool,
    ) -> Result<(), Error> {
        check_kind(name)?;
        self.check_options(&options, behaviour.as_ref())?;
        let plugin_entry = Arc::clone(self.registry.plugins.write().entry(plugin.clone()).or_default());
        let mut kinds = plugin_entry.kinds.write();
        let known = kinds.get(name).filter(|kind| !kind.removed.load(Ordering::Relaxed)).cloned();
        let revision = match &known {
            Some(kind) => self.succeed(kind, &options, behaviour, back)?,
            None => Arc::new(self.revision(behaviour, None, back)),
        };
        if options.persistence.is_kept() {
            plugin_entry.keeps.store(true, Ordering::Relaxed);
        }
        let Some(kind) = known else {
            let setup = Setup { options, revision };
            kinds.insert(name.into(), Arc::new(Kind::new(plugin.clone(), name.into(), setup)));
            drop(kinds);
            self.mail.notify_one();
            return Ok(());
        };
        drop(kinds);
        let moved = kind.setup.load().revision.id != revision.id;
        kind.setup.store(Arc::new(Setup { options, revision }));
        self.alarms.earlier.notify_one();
        if moved {
            self.chores.spawn_on(sweep(Arc::clone(self), kind), &self.runtime);
        }
        Ok(())
    }

    /// The revision that follows; the same one, if only the options are others.
    fn succeed(
        &self,
        kind: &Kind,
        options: &KindOptions,
        behaviour: Arc<dyn Behaviour>,
        back: bool,
    ) -> Result<Arc<Revision>, Error> {
        let setup = kind.setup.load();
        let persistence = setup.options.persistence;
        let other = std::mem::discriminant(&persistence) != std::mem::discriminant(&options.persistence);
        if other && kind.count.load(Ordering::Relaxed) > 0 {
            return Err(Error::Invalid("the persistence of a kind with processes cannot be changed".to_owned()));
        }
        if setup.revision.is(&behaviour) {
            return Ok(Arc::clone(&setup.revision));
        }
        let restores =
            back || setup.revision.replaced.lock().as_ref().is_some_and(|old| same(&old.behaviour, &behaviour));
        Ok(Arc::new(self.revision(behaviour, Some(Arc::clone(&setup.revision)), restores)))
    }

    fn revision(&self, behaviour: Arc<dyn Behaviour>, replaced: Option<Arc<Revision>>, restores: bool) -> Revision {
        // One goes back by one step: what was before that is nobody's any more, but of those who run it.
        if let Some(replaced) = &replaced {
            *replaced.replaced.lock() = None;
        }
        Revision {
            id: self.revision_id(),
            version: behaviour.version(),
            saves: behaviour.saves(),
            behaviour,
            replaced: Mutex::new(replaced),
            restores,
        }
    }

    fn check_options(&self, options: &KindOptions, behaviour: &dyn Behaviour) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::Invalid(why.to_owned()));
        if options.persistence.is_kept() && self.keeper.is_none() {
            return invalid("nothing can be kept: there is no store");
        }
        if options.persistence.is_kept() && !behaviour.saves() {
            return invalid("what is kept has to have `save` and `load`");
        }
        if matches!(options.persistence, Persistence::EventLog { .. }) && !behaviour.replays() {
            return invalid("what has an event log has to have `replay`");
        }
        Ok(())
    }

    pub(crate) fn settle_upgrade(self: &Arc<Self>, plugin: &PluginName) {
        if let Some(keeper) = self.keeper.clone().filter(|_| self.registry.keeps(plugin)) {
            // Those who are not in memory have one too.
            let (core, plugin) = (Arc::clone(self), plugin.clone());
            let mut settled = keeper.settle_upgrade(plugin.clone());
            let settle = async move {
                let mut retry = Retry::default();
                while let Err(error) = settled.await {
                    tracing::warn!(%plugin, %error, "states from before an upgrade cannot be deleted");
                    tokio::select! {
                        biased;
                        () = core.stopping.cancelled() => return,
                        () = core.time.sleep(retry.failed()) => {}
                    }
                    settled = keeper.settle_upgrade(plugin.clone());
                }
            };
            self.chores.spawn_on(settle, &self.runtime);
        }
        let Some(plugin) = self.registry.plugin(plugin) else { return };
        let kinds: Vec<_> = plugin.kinds.read().values().cloned().collect();
        for kind in kinds {
            let setup = kind.setup.load();
            kind.settled.store(setup.revision.id, Ordering::Relaxed);
            *setup.revision.replaced.lock() = None;
            let core = Arc::clone(self);
            let kind = Arc::clone(&kind);
            self.chores.spawn_on(
                async move {
                    let settled = kind.settled.load(Ordering::Relaxed);
                    for cell in core.of_kind(&kind).await {
                        if let Some(rare) = cell.lock().rare.as_mut()
                            && rare.before.as_ref().is_some_and(|before| before.upgraded_to <= settled)
                        {
                            rare.before = None;
                        }
                    }
                },
                &self.runtime,
            );
        }
    }

    pub(crate) fn remove_kind(self: &Arc<Self>, plugin: &PluginName, name: &str) {
        let Some(plugin) = self.registry.plugin(plugin) else { return };
        let Some(kind) = plugin.kinds.write().remove(name) else { return };
        kind.removed.store(true, Ordering::Relaxed);
        let core = Arc::clone(self);
        self.chores.spawn_on(
            async move {
                for cell in core.of_kind(&kind).await {
                    core.order_stop(&cell, Reason::SHUTDOWN, None);
                }
            },
            &self.runtime,
        );
    }

    /// All processes of a kind, without keeping others from their work.
    async fn of_kind(&self, kind: &Arc<Kind>) -> Vec<Arc<Cell>> {
        let mut found = Vec::new();
        for shard in 0..self.registry.shards() {
            found.extend(self.registry.shard(shard).into_iter().filter(|cell| Arc::ptr_eq(&cell.kind, kind)));
            tokio::task::yield_now().await;
        }
        found
    }

    /// It ends as soon as what is in hand is handled; whoever waits is told. False: it has ended.
    pub(crate) fn order_stop(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        reason: Reason,
        done: Option<tokio::sync::oneshot::Sender<Result<(), crate::Failure>>>,
    ) -> bool {
        self.order(cell, reason, false, done)
    }

    /// The same; what is kept of it stays in the store if all who ordered it say so.
    pub(crate) fn order(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        reason: Reason,
        keeps: bool,
        done: Option<tokio::sync::oneshot::Sender<Result<(), crate::Failure>>>,
    ) -> bool {
        let mut state = cell.lock();
        if matches!(state.stage, Stage::Ended) {
            return false;
        }
        let rare = state.rare();
        let new = || StopOrder { reason, keeps, done: std::collections::VecDeque::new() };
        let order = rare.stop.get_or_insert_with(new);
        order.keeps &= keeps;
        order.done.extend(done);
        state.wishes.add(Wishes::END);
        self.kick(cell, state);
        true
    }
}

/// Moves those who live and have nothing to do to the new revision, some at a time; those who sleep move when they wake.
async fn sweep(core: Arc<Core>, kind: Arc<Kind>) {
    let at_once = core.options.limits.upgrading_max.max(1);
    let cells = core.of_kind(&kind).await;
    futures_util::stream::iter(cells)
        .for_each_concurrent(at_once, |cell| {
            let core = Arc::clone(&core);
            async move {
                let stage = {
                    let mut state = cell.lock();
                    match &state.stage {
                        Stage::Live(_) => state.wishes.add(Wishes::MOVE),
                        Stage::GaveUp | Stage::Quarantined | Stage::BackingOff => state.wishes.add(Wishes::AGAIN),
                        _ => return,
                    }
                    Core::begin(&mut state)
                };
                if let Some(stage) = stage {
                    turn::run(core, cell, stage).await;
                }
            }
        })
        .await;
}
