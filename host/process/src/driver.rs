//! The loops beside the turns: what is due, who is idle for long, who has mail or something to do in the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use skep_store::Timestamp;
use skep_types::PluginName;

use crate::address::{Pid, Target};
use crate::alarms::Alarm;
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::keeper::{Due, DueCursor, Keeper, MailTo};
use crate::letter::Letter;
use crate::observe::Happened;
use crate::time::{NEVER, Tick, millis, nanos};

/// So many alarms are seen to before others have their turn.
const BATCH: usize = 1024;
/// So much is read of the store at a time.
const PAGE: usize = 256;

/// Sees to what is due, until the engine stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let now = core.time.now();
        let mut more = false;
        let due = core.alarms.pop(now, BATCH);
        more |= due.len() == BATCH;
        for (at, alarm, cell) in due {
            core.ring(at, alarm, &cell);
        }
        more |= core.put_to_sleep(now);
        core.free_memory();
        if more {
            tokio::task::yield_now().await;
            continue;
        }
        let next = core.alarms.first().unwrap_or(NEVER).min(core.next_tired());
        tokio::select! {
            biased;
            () = core.stopping.cancelled() => return,
            () = core.alarms.earlier.notified() => {}
            () = core.time.sleep_until(next) => {}
        }
    }
}

impl Core {
    fn ring(self: &Arc<Self>, at: Tick, alarm: Alarm, cell: &Arc<crate::cell::Cell>) {
        match alarm {
            Alarm::Timer(id) => self.timer_due(cell, id, at),
            Alarm::Write => self.wish(cell, Wishes::WRITE),
            Alarm::Again => {
                let mut state = cell.lock();
                match &state.stage {
                    Stage::BackingOff => {
                        // It keeps its failed rounds, unlike one whom an operator helps up.
                        if state.rare().again_at <= at {
                            state.stage = state.revived();
                            state.wishes.add(Wishes::BEGIN);
                            drop(state);
                            self.tell(cell, &Happened::Restarted);
                            state = cell.lock();
                        }
                    }
                    Stage::GaveUp | Stage::Quarantined | Stage::Ended => return,
                    _ => state.wishes.add(Wishes::BEGIN),
                }
                self.kick(cell, state);
            }
            Alarm::Heal => {
                let healthy = nanos(cell.kind.setup.load().options.backoff.healthy);
                let mut state = cell.lock();
                let calm = !matches!(state.stage, Stage::BackingOff | Stage::GaveUp);
                let Some(rare) = state.rare.as_mut() else { return };
                // A round that began since has a later alarm of its own.
                if calm && rare.budget.rounds > 0 && at.saturating_sub(rare.again_at) >= healthy {
                    rare.budget.forget();
                    drop(state);
                    self.tell(cell, &Happened::Healed);
                }
            }
        }
    }

    /// Those who have been idle for long. Whether there are more.
    fn put_to_sleep(self: &Arc<Self>, now: Tick) -> bool {
        let mut done = 0;
        for kind in self.registry.kinds() {
            let Some(after) = kind.setup.load().options.hibernate_after else { continue };
            let until = now.saturating_sub(nanos(after));
            while done < BATCH
                && let Some((at, cell)) = kind.idle.pop(until)
            {
                self.tire(at, &cell, until);
                done += 1;
            }
        }
        done == BATCH
    }

    fn next_tired(&self) -> Tick {
        let next = |kind: &Arc<crate::kind::Kind>| {
            let after = kind.setup.load().options.hibernate_after?;
            Some(kind.idle.first()?.saturating_add(nanos(after)))
        };
        self.registry.kinds().iter().filter_map(next).min().unwrap_or(NEVER)
    }

    /// Over the budget those that slept for longest leave the memory, as far as they are kept.
    fn free_memory(self: &Arc<Self>) {
        let over = self.state_bytes.load(Ordering::Relaxed).saturating_sub(self.options.limits.state_bytes_max.0);
        let mut freed = 0;
        let kinds = self.registry.kinds();
        while freed < over {
            let oldest = kinds.iter().filter_map(|kind| Some((kind.asleep.first()?, kind))).min_by_key(|(at, _)| *at);
            let Some((at, kind)) = oldest else { return };
            let Some((_, cell)) = kind.asleep.pop(at) else { continue };
            let mut state = cell.lock();
            let Stage::Asleep(asleep) = &state.stage else { continue };
            freed += asleep.state.len() as u64;
            state.indexed = 0;
            state.wishes.add(Wishes::LEAVE);
            self.kick(&cell, state);
        }
    }
}

/// Looks after kept processes that are not in memory, until the engine stops.
pub(crate) async fn look_after_kept(core: Arc<Core>) {
    loop {
        // Whatever is put off from now on may be seen, or not.
        core.look_at.store(Timestamp::MAX, Ordering::SeqCst);
        let next = match core.look_at_store().await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "the processes in the store cannot be looked at");
                None
            }
        };
        let poll = core.time.wall().saturating_add(millis(core.options.poll));
        let next = next.map_or(poll, |next| next.min(poll));
        core.look_at.store(next, Ordering::SeqCst);
        tokio::select! {
            biased;
            () = core.stopping.cancelled() => return,
            () = core.mail.notified() => {}
            () = core.time.sleep_until(core.time.of_wall(next)) => {}
        }
    }
}

impl Core {
    /// Answers when there is something to do next.
    async fn look_at_store(self: &Arc<Self>) -> Result<Option<Timestamp>, skep_store::Error> {
        let Some(keeper) = self.keeper.clone() else { return Ok(None) };
        let now = self.time.wall();
        let mut cursor = DueCursor::default();
        loop {
            let page = keeper.due(now, cursor, PAGE).await?;
            for due in page.due {
                self.see_to(keeper.as_ref(), due, now).await?;
            }
            if !page.more {
                return Ok(page.next);
            }
            cursor = page.cursor;
        }
    }

    async fn see_to(self: &Arc<Self>, keeper: &dyn Keeper, due: Due, now: Timestamp) -> Result<(), skep_store::Error> {
        let Due { plugin, to, mail } = due;
        let target = match &to {
            // One that is in memory sees to its timers itself.
            MailTo::Number(number) if !mail && self.registry.number(*number).is_some() => return Ok(()),
            // Only its number counts.
            MailTo::Number(number) => Pid { plugin: plugin.clone(), kind: "-".into(), number: *number }.into(),
            MailTo::Name(name) => Target::Name { plugin: plugin.clone(), name: name.as_ref().into() },
        };
        // A plugin that is not there yet may know who it is for.
        if self.registry.plugin(&plugin).is_none() {
            return Ok(());
        }
        let Ok(cell) = self.find(&target).await else { return Ok(()) };
        if !mail {
            return Ok(());
        }
        match cell {
            Some(cell) if cell.kind.setup.load().options.persistence.commits() => {
                self.wish(&cell, Wishes::MAIL);
                Ok(())
            }
            None if is_kept(keeper, &plugin, &to).await? => Ok(()),
            cell => self.clear_mail(keeper, plugin, to, cell.as_ref(), now).await,
        }
    }

    /// Mail to one who does not commit what he handles, or to nobody, does not wait in the store.
    async fn clear_mail(
        self: &Arc<Self>,
        keeper: &dyn Keeper,
        plugin: PluginName,
        to: MailTo,
        cell: Option<&Arc<Cell>>,
        now: Timestamp,
    ) -> Result<(), skep_store::Error> {
        let mut after = None;
        loop {
            let page = keeper.mail(plugin.clone(), vec![to.clone()], after, now, PAGE).await?;
            let (count, mut done) = (page.mail.len(), Vec::new());
            for mail in page.mail {
                after = Some(mail.place());
                let letter = Letter::Cast { message: mail.data, mail: None };
                if cell.is_some_and(|cell| self.post(cell, letter).is_err()) {
                    break;
                }
                done.push(mail.id);
            }
            let all = done.len() == count;
            if !done.is_empty() {
                keeper.delete_mail(done).await?;
            }
            if !all || !page.more {
                return Ok(());
            }
        }
    }
}

/// Whether there is one whose kind is not known now.
async fn is_kept(keeper: &dyn Keeper, plugin: &PluginName, to: &MailTo) -> Result<bool, skep_store::Error> {
    let found = match to {
        MailTo::Number(number) => keeper.find(plugin.clone(), *number),
        MailTo::Name(name) => keeper.find_name(plugin.clone(), Arc::clone(name)),
    };
    Ok(found.await?.is_some())
}
