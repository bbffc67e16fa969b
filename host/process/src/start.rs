//! From what is asked for to a process that has begun.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use skep_types::PluginName;
use tokio::sync::oneshot;

use crate::address::{Target, check_name};
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::{Error, StartFailure};
use crate::kind::Kind;
use crate::service::{Spec, Started};

impl Core {
    pub(crate) async fn start(
        self: &Arc<Self>,
        plugin: &PluginName,
        spec: Spec,
        or_get: bool,
    ) -> Result<Started, StartFailure> {
        let kind = self.startable(plugin, &spec)?;
        let name: Option<Arc<str>> = spec.name.as_deref().map(Into::into);
        loop {
            if let Some(name) = &spec.name {
                // One that is kept and asleep in the store has its name all the same.
                let named = Target::Name { plugin: plugin.clone(), name: name.clone() };
                if let Some(there) = self.find(&named).await.map_err(StartFailure::Other)?
                    && let Some(answer) = self.there(&there, or_get, spec.supervised).await
                {
                    return answer;
                }
            }
            if let Some(answer) = self.start_new(&kind, name.clone(), &spec, or_get).await {
                return answer;
            }
            // The one that had the name has just ended, and gives it back in a moment.
            tokio::task::yield_now().await;
        }
    }

    /// None: the name is being given back.
    async fn start_new(
        self: &Arc<Self>,
        kind: &Arc<Kind>,
        name: Option<Arc<str>>,
        spec: &Spec,
        or_get: bool,
    ) -> Option<Result<Started, StartFailure>> {
        Self::pay_for_turn().await;
        let cell = Arc::new(Cell::new(self.number(), Arc::clone(kind), name, Stage::Unborn, &spec.args));
        let (waiter, born) = oneshot::channel();
        {
            let mut state = cell.lock();
            state.supervised = spec.supervised;
            state.rare().born.push(waiter);
        }
        if let Err(there) = self.registry.insert(&cell) {
            return self.there(&there, or_get, spec.supervised).await;
        }
        if kind.removed.load(Ordering::Relaxed) || self.is_stopping() {
            self.registry.remove(&cell);
            return Some(Err(Error::Stopping.into()));
        }
        let stage = {
            let mut state = cell.lock();
            // Somebody who found it in the registry may have begun already.
            state.wishes.add(Wishes::BEGIN);
            Self::begin(&mut state)
        };
        if let Some(stage) = stage {
            self.run_here(&cell, stage).await;
        }
        let begun = born.await.unwrap_or_else(|_| Err(Error::Stopping.into()));
        Some(begun.map(|()| Started { pid: cell.pid(), was_there: false }))
    }

    fn startable(&self, plugin: &PluginName, spec: &Spec) -> Result<Arc<Kind>, Error> {
        if self.is_stopping() {
            return Err(Error::Stopping);
        }
        if let Some(name) = &spec.name {
            check_name(name)?;
        }
        let limit = self.options.limits.message_bytes_max;
        if spec.args.len() > limit.as_usize() {
            return Err(Error::TooLarge(limit.0));
        }
        let kind = self.registry.kind(plugin, &spec.kind).ok_or(Error::NotFound)?;
        if kind.count.load(Ordering::Relaxed) >= kind.setup.load().options.max {
            return Err(Error::Full("processes of this kind"));
        }
        if self.registry.count() >= self.options.limits.processes_max {
            return Err(Error::Full("processes in memory"));
        }
        if self.is_over_memory() {
            return Err(Error::Full("states in memory"));
        }
        Ok(kind)
    }

    async fn there(&self, there: &Arc<Cell>, or_get: bool, supervised: bool) -> Option<Result<Started, StartFailure>> {
        let pid = there.pid();
        let born = {
            let mut state = there.lock();
            if matches!(state.stage, Stage::Ended) {
                return None;
            }
            if !or_get {
                return Some(Err(StartFailure::NameTaken(pid)));
            }
            state.supervised |= supervised;
            if state.begun {
                None
            } else {
                let (waiter, born) = oneshot::channel();
                state.rare().born.push(waiter);
                Some(born)
            }
        };
        let begun = match born {
            Some(born) => born.await.unwrap_or_else(|_| Err(Error::Stopping.into())),
            None => Ok(()),
        };
        Some(begun.map(|()| Started { pid, was_there: true }))
    }

    pub(crate) fn is_over_memory(&self) -> bool {
        self.state_bytes.load(Ordering::Relaxed) > self.options.limits.state_bytes_max.0
    }
}
