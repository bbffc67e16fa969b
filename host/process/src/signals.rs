//! Monitors and links: who is told of an end. Never are two processes locked at once.

use std::sync::Arc;

use crate::address::{Pid, Target};
use crate::behaviour::MonitorRef;
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::Error;
use crate::letter::Letter;
use crate::rare::{Monitor, Rare, Watcher};
use crate::reason::Reason;

impl Core {
    /// A monitored process has ended: `down` once, if it is monitored still.
    pub(crate) fn down(self: &Arc<Self>, watcher: &Pid, monitor: MonitorRef, who: &Pid, reason: &Reason) {
        let Some(cell) = self.registry.number(watcher.number) else { return };
        let mut state = cell.lock();
        let found = state.rare.as_mut().and_then(|rare| rare.monitors.get_mut(&monitor));
        let Some(found) = found.filter(|found| !found.fired) else { return };
        found.fired = true;
        state.push(Letter::Down(Box::new((monitor, who.clone(), reason.clone()))));
        self.kick(&cell, state);
    }

    /// A linked process has ended: the other one learns it, or ends as well, if they are linked still.
    pub(crate) fn exit(self: &Arc<Self>, to: &Pid, who: &Pid, reason: &Reason) {
        let Some(cell) = self.registry.number(to.number) else { return };
        let mut state = cell.lock();
        let Some(rare) = state.rare.as_mut() else { return };
        if rare.links.remove(&who.number).is_none() {
            return;
        }
        rare.changed = true;
        if rare.traps_exits {
            state.push(Letter::Exit(Box::new((who.clone(), reason.clone()))));
            return self.kick(&cell, state);
        }
        if reason.is_abnormal() {
            self.doom(&cell, state, reason.clone());
        }
    }

    /// It is to end for good, at once, whatever it does.
    fn doom(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        mut state: parking_lot::MutexGuard<'_, crate::cell::State>,
        why: Reason,
    ) {
        state.rare().doom = Some(why);
        state.wishes.add(Wishes::END);
        let waker = cell.cut_off(&mut state);
        self.kick(cell, state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) async fn monitor(self: &Arc<Self>, me: &Pid, to: &Target) -> Result<MonitorRef, Error> {
        let own = self.at_work(me)?;
        let target = self.find(to).await?;
        let pid = match (&target, to) {
            (Some(target), _) => target.pid(),
            (None, Target::Pid(pid)) => pid.clone(),
            // Nobody has this name; who it is cannot be said.
            (None, Target::Name { plugin, name }) => {
                Pid { plugin: plugin.clone(), kind: name.as_str().into(), number: crate::Number(0) }
            }
        };
        let monitor = {
            let mut state = own.lock();
            let by_init = state.beginning;
            let limit = self.options.limits.links_max;
            let rare = state.rare();
            self.room(rare, limit)?;
            let monitor = MonitorRef(rare.next_ref());
            rare.monitors.insert(monitor, Monitor { pid: pid.clone(), fired: false, by_init });
            rare.changed = true;
            monitor
        };
        let watched = match target {
            Some(target) => self.watch(&target, Watcher::Process(me.clone(), monitor)),
            None => Err(Watcher::Process(me.clone(), monitor)),
        };
        if watched.is_err() {
            self.down(me, monitor, &pid, &Reason::NOPROC);
        }
        Ok(monitor)
    }

    fn room(&self, rare: &Rare, limit: usize) -> Result<(), Error> {
        if rare.monitors.len() + rare.links.len() >= limit { Err(Error::Full("monitors and links")) } else { Ok(()) }
    }

    /// From now on the watcher is told; it comes back if there is nothing to watch.
    pub(crate) fn watch(&self, target: &Cell, watcher: Watcher) -> Result<(), Watcher> {
        let mut state = target.lock();
        if matches!(state.stage, Stage::Ended | Stage::GaveUp) {
            return Err(watcher);
        }
        state.rare().watchers.push(watcher);
        Ok(())
    }

    /// Nobody is told for this monitor any more.
    pub(crate) fn unwatch(&self, target: &Pid, watcher: &Cell, monitor: MonitorRef) {
        let Some(target) = self.registry.number(target.number) else { return };
        let mut state = target.lock();
        if let Some(rare) = state.rare.as_mut() {
            let is = |other: &Watcher| match other {
                Watcher::Process(pid, other) => pid.number == watcher.number && *other == monitor,
                Watcher::Host(_) => false,
            };
            if let Some(at) = rare.watchers.iter().position(is) {
                rare.watchers.swap_remove(at);
            }
        }
    }

    pub(crate) fn demonitor(&self, me: &Pid, monitor: MonitorRef) -> Result<(), Error> {
        let own = self.at_work(me)?;
        let gone = own.lock().rare.as_mut().and_then(|rare| {
            let gone = rare.monitors.remove(&monitor)?;
            rare.changed = true;
            Some(gone)
        });
        if let Some(gone) = gone.filter(|gone| !gone.fired) {
            self.unwatch(&gone.pid, &own, monitor);
        }
        Ok(())
    }

    pub(crate) async fn link(self: &Arc<Self>, me: &Pid, to: &Target) -> Result<(), Error> {
        let own = self.at_work(me)?;
        let target = self.find(to).await?;
        let pid = match (&target, to) {
            (Some(target), _) => target.pid(),
            (None, Target::Pid(pid)) => pid.clone(),
            (None, Target::Name { .. }) => return Err(Error::NotFound),
        };
        if pid.number == own.number {
            return Ok(());
        }
        // First here, so that an end of the other is not missed.
        {
            let mut state = own.lock();
            let rare = state.rare();
            if !rare.links.contains_key(&pid.number) {
                self.room(rare, self.options.limits.links_max)?;
                rare.links.insert(pid.number, pid.clone());
                rare.changed = true;
            }
        }
        match target {
            Some(target) => self.tie(&own, &target),
            None => {
                self.exit(me, &pid, &Reason::NOPROC);
                Ok(())
            }
        }
    }

    /// The other half of a link.
    pub(crate) fn tie(self: &Arc<Self>, own: &Arc<Cell>, target: &Arc<Cell>) -> Result<(), Error> {
        let (me, pid) = (own.pid(), target.pid());
        let mut state = target.lock();
        if matches!(state.stage, Stage::Ended | Stage::GaveUp) {
            drop(state);
            self.exit(&me, &pid, &Reason::NOPROC);
            return Ok(());
        }
        let limit = self.options.limits.links_max;
        let rare = state.rare();
        if !rare.links.contains_key(&me.number) {
            if let Err(full) = self.room(rare, limit) {
                drop(state);
                if let Some(rare) = own.lock().rare.as_mut() {
                    rare.links.remove(&pid.number);
                }
                return Err(full);
            }
            rare.links.insert(me.number, me);
            rare.changed = true;
        }
        Ok(())
    }

    pub(crate) async fn unlink(self: &Arc<Self>, me: &Pid, to: &Target) -> Result<(), Error> {
        let own = self.at_work(me)?;
        let target = self.find(to).await?;
        let number = match (&target, to) {
            (Some(target), _) => target.number,
            (None, Target::Pid(pid)) => pid.number,
            (None, Target::Name { .. }) => return Ok(()),
        };
        for (cell, other) in [(Some(&own), number), (target.as_ref(), own.number)] {
            if let Some(rare) =
                cell.and_then(|cell| cell.lock().rare.as_mut().map(|rare| rare.links.remove(&other).is_some()))
            {
                let _ = rare;
            }
        }
        if let Some(rare) = own.lock().rare.as_mut() {
            rare.changed = true;
        }
        Ok(())
    }

    /// The process that calls, if a turn of it is under way.
    pub(crate) fn at_work(&self, me: &Pid) -> Result<Arc<Cell>, Error> {
        let cell = self.registry.number(me.number);
        let works = cell.filter(|cell| cell.lock().is_working());
        works.ok_or_else(|| Error::Invalid("this is for a process, in one of its own calls".to_owned()))
    }
}
