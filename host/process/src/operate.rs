//! What operators ask for.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::address::{Number, Pid};
use crate::cell::{Cell, Stage, State, Wishes};
use crate::core::Core;
use crate::time::until;
use crate::view::{Filter, Inspection, KindCounts, ProcessState, ProcessView, Sort, Totals, ViewPage};

/// The longest page.
const PAGE_MAX: usize = 1000;

fn doing(state: &State) -> Option<ProcessState> {
    Some(match &state.stage {
        Stage::Unborn => ProcessState::Starting,
        Stage::Working if !state.begun => ProcessState::Starting,
        Stage::Live(_) => ProcessState::Idle,
        Stage::Working => ProcessState::Busy,
        Stage::Asleep(_) => ProcessState::Asleep,
        Stage::Stored => ProcessState::Stored,
        Stage::BackingOff => ProcessState::BackingOff,
        Stage::GaveUp => ProcessState::GaveUp,
        Stage::Quarantined => ProcessState::Quarantined,
        Stage::Ended => return None,
    })
}

fn view(cell: &Cell, state: &State) -> Option<ProcessView> {
    Some(ProcessView {
        pid: cell.pid(),
        name: cell.name.clone(),
        state: doing(state)?,
        mailbox: state.mailbox.len() as u64,
        memory: match &state.stage {
            Stage::Live(running) => running.instance.memory(),
            Stage::Asleep(asleep) => asleep.state.len() as u64,
            _ => 0,
        },
        messages: state.handled,
        crashes: u64::from(state.crashes),
        trouble: state.rare.as_ref().and_then(|rare| rare.trouble.clone()),
    })
}

impl Core {
    pub(crate) fn page(&self, filter: &Filter) -> ViewPage {
        let limit = if filter.limit == 0 { PAGE_MAX } else { filter.limit.min(PAGE_MAX) };
        let mut found = Vec::new();
        self.registry.for_each_shard(|cells| {
            for cell in cells {
                let kind = &cell.kind;
                let fits = filter.plugin.as_ref().is_none_or(|plugin| *plugin == kind.plugin)
                    && filter.kind.as_ref().is_none_or(|name| *name == kind.name)
                    && filter
                        .prefix
                        .as_ref()
                        .is_none_or(|prefix| cell.name.as_ref().is_some_and(|name| name.starts_with(prefix.as_str())));
                if !fits {
                    continue;
                }
                let state = cell.lock();
                let Some(does) = doing(&state).filter(|does| filter.state.is_none_or(|wanted| wanted == *does)) else {
                    continue;
                };
                let _ = does;
                let key = match filter.sort {
                    Sort::Name => 0,
                    Sort::Mailbox => state.mailbox.len() as u64,
                    Sort::Memory => view(&cell, &state).map_or(0, |view| view.memory),
                    Sort::Messages => state.handled,
                    Sort::Crashes => u64::from(state.crashes),
                };
                drop(state);
                found.push((Reverse(key), cell));
            }
        });
        let total = found.len();
        let by_name = filter.sort == Sort::Name;
        found.sort_by(|(one, a), (other, b)| {
            let names = || (a.name.is_none(), &a.name).cmp(&(b.name.is_none(), &b.name));
            let first = if by_name { names() } else { one.cmp(other) };
            first.then_with(|| a.number.cmp(&b.number))
        });
        let page = found.into_iter().skip(filter.skip).take(limit);
        let processes = page.filter_map(|(_, cell)| view(&cell, &cell.lock())).collect();
        ViewPage { processes, total }
    }

    pub(crate) fn inspect(&self, pid: &Pid) -> Option<Inspection> {
        let cell = self.registry.number(pid.number)?;
        let setup = cell.kind.setup.load();
        let waits = cell.waits_for.load(Ordering::Relaxed);
        let waits_for = self.registry.number(Number(waits)).map(|other| other.pid());
        let now = self.time.now();
        let state = cell.lock();
        let view = view(&cell, &state)?;
        let rare = state.rare.as_deref();
        Some(Inspection {
            persistence: setup.options.persistence,
            version: match &state.stage {
                Stage::Live(running) => running.revision.version,
                Stage::Asleep(asleep) => asleep.version,
                _ => setup.revision.version,
            },
            upgrade_failed: rare.and_then(|rare| rare.upgrade_failed.clone()),
            keeps_before: rare.is_some_and(|rare| rare.before.is_some()),
            idle: if state.is_working() { std::time::Duration::ZERO } else { until(state.idle_since, now) },
            again_in: rare.filter(|_| view.state == ProcessState::BackingOff).map(|rare| until(now, rare.again_at)),
            timers: rare
                .map(|rare| rare.timers.iter().map(|(id, timer)| (*id, until(now, timer.due))).collect())
                .unwrap_or_default(),
            monitors: rare
                .map(|rare| rare.monitors.iter().map(|(id, monitor)| (*id, monitor.pid.clone())).collect())
                .unwrap_or_default(),
            watchers: rare.map_or(0, |rare| rare.watchers.len()),
            links: rare.map(|rare| rare.links.values().cloned().collect()).unwrap_or_default(),
            traps_exits: rare.is_some_and(|rare| rare.traps_exits),
            subscriptions: rare.map(|rare| rare.subscriptions.iter().cloned().collect()).unwrap_or_default(),
            late: rare.map_or(0, |rare| rare.late.len()),
            waits_for,
            view,
        })
    }

    pub(crate) fn kill(self: &Arc<Self>, cell: &Arc<Cell>, again: bool) -> bool {
        let mut state = cell.lock();
        match state.stage {
            Stage::Ended => return false,
            Stage::BackingOff | Stage::GaveUp | Stage::Quarantined => {}
            _ => state.wishes.add(Wishes::DIE),
        }
        if again {
            state.wishes.add(Wishes::AGAIN);
        }
        let waker = if state.is_working() { cell.cut_off(&mut state) } else { None };
        self.kick(cell, state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    pub(crate) fn counts(&self) -> Vec<KindCounts> {
        let mut counts: std::collections::BTreeMap<(skep_types::PluginName, Arc<str>), [usize; 8]> = Default::default();
        for kind in self.registry.kinds() {
            counts.insert((kind.plugin.clone(), Arc::clone(&kind.name)), [0; 8]);
        }
        self.registry.for_each_shard(|cells| {
            for cell in cells {
                let Some(does) = doing(&cell.lock()) else { continue };
                let states = counts.entry((cell.kind.plugin.clone(), Arc::clone(&cell.kind.name))).or_default();
                if let Some(count) = states.get_mut(does as usize) {
                    *count += 1;
                }
            }
        });
        counts.into_iter().map(|((plugin, kind), states)| KindCounts { plugin, kind, states }).collect()
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            processes: self.registry.count(),
            live: self.places.taken(),
            state_bytes: self.state_bytes.load(Ordering::Relaxed),
            waking: self.places.waking(),
            timers: self.alarms.len(),
            messages: self.handled.load(Ordering::Relaxed),
            crashes: self.crashed.load(Ordering::Relaxed),
        }
    }
}
