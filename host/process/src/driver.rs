//! The loops beside the turns: what is due, who is idle for long, who has mail or something to do in the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::alarms::Alarm;
use crate::cell::{Stage, Wishes};
use crate::core::Core;
use crate::keeper::{MailId, MailTo};
use crate::letter::Letter;
use crate::observe::Happened;
use crate::time::{NEVER, Tick, nanos};

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
        let next = match core.look_at_store().await {
            Ok(next) => next.map_or(NEVER, |wall| core.time.of_wall(wall)),
            Err(error) => {
                tracing::warn!(%error, "the processes in the store cannot be looked at");
                NEVER
            }
        };
        let next = next.min(core.time.after(core.options.poll));
        tokio::select! {
            biased;
            () = core.stopping.cancelled() => return,
            () = core.mail.notified() => {}
            () = core.time.sleep_until(next) => {}
        }
    }
}

impl Core {
    async fn is_kept(&self, keeper: &dyn crate::Keeper, target: &crate::Target) -> Result<bool, skep_store::Error> {
        let record = match target {
            crate::Target::Pid(pid) => keeper.find(pid.plugin.clone(), pid.number).await?,
            crate::Target::Name { plugin, name } => keeper.find_name(plugin.clone(), name.as_str().into()).await?,
        };
        Ok(record.is_some())
    }

    async fn look_at_store(self: &Arc<Self>) -> Result<Option<skep_store::Timestamp>, skep_store::Error> {
        let Some(keeper) = self.keeper.clone() else { return Ok(None) };
        let now = self.time.wall();
        let mut after = None;
        let mut next: Option<skep_store::Timestamp>;
        loop {
            let page = keeper.due(now, after, PAGE).await?;
            next = page.next;
            after = page.pids.last().map(|pid| pid.number);
            let full = page.pids.len() >= PAGE;
            for pid in page.pids {
                // One that is in memory sees to its timers itself.
                if self.registry.number(pid.number).is_none() {
                    drop(self.find(&pid.into()).await);
                }
            }
            if !full {
                break;
            }
        }
        let mail = self.deliver_mail(keeper.as_ref(), now).await?;
        Ok([next, mail].into_iter().flatten().min())
    }

    async fn deliver_mail(
        self: &Arc<Self>,
        keeper: &dyn crate::Keeper,
        now: skep_store::Timestamp,
    ) -> Result<Option<skep_store::Timestamp>, skep_store::Error> {
        let mut after = MailId(0);
        loop {
            let page = keeper.due_mail(now, after, PAGE).await?;
            let full = page.mail.len() >= PAGE;
            let mut done = Vec::new();
            for mail in page.mail {
                after = mail.id;
                let target = match mail.to {
                    MailTo::Number(number) => {
                        // Only its number counts.
                        crate::Pid { plugin: mail.plugin.clone(), kind: "-".into(), number }.into()
                    }
                    MailTo::Name(name) => {
                        crate::Target::Name { plugin: mail.plugin.clone(), name: name.as_ref().into() }
                    }
                };
                // A plugin that is not there yet may know who it is for.
                if self.registry.plugin(&mail.plugin).is_none() {
                    continue;
                }
                match self.find(&target).await {
                    Ok(Some(cell)) if cell.kind.setup.load().options.persistence.commits() => {
                        let known = cell.lock().rare.as_ref().is_some_and(|rare| rare.mail.contains(&mail.id));
                        if !known {
                            self.wish(&cell, Wishes::MAIL);
                        }
                    }
                    Ok(Some(cell)) => {
                        if self.post(&cell, Letter::Cast { message: mail.data, mail: None }).is_ok() {
                            done.push(mail.id);
                        }
                    }
                    // Of a kind that is not known yet: it waits for it.
                    Ok(None) if self.is_kept(keeper, &target).await? => {}
                    Ok(None) => done.push(mail.id),
                    Err(_) => {}
                }
            }
            if !done.is_empty() {
                keeper.delete_mail(done).await?;
            }
            if !full {
                return Ok(page.next);
            }
        }
    }
}
