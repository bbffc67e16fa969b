//! The end of a process.

use std::sync::Arc;

use super::Turn;
use super::commit::NotCommitted;
use crate::alarms::Alarm;
use crate::behaviour::TimerId;
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::{Error, Failure, StartFailure};
use crate::letter::Letter;
use crate::observe::Happened;
use crate::rare::{StopOrder, Watcher};
use crate::reason::Reason;
use crate::retry::Retry;

impl Turn {
    /// Its last call. What it says does not matter any more.
    pub(super) async fn terminate(&mut self, reason: Reason) {
        if matches!(self.at, Stage::Live(_)) {
            drop(self.guarded(move |instance| instance.terminate(reason)).await);
        }
    }

    /// It was told to stop, or it said so itself; what is kept of it is deleted.
    pub(super) async fn end_in_order(&mut self, reason: Reason) {
        let leaves = self.cell.kind.removed.load(std::sync::atomic::Ordering::Relaxed)
            || self.cell.lock().rare.as_ref().and_then(|rare| rare.stop.as_ref()).is_some_and(|order| order.keeps);
        if leaves {
            // Its kind goes, and may come again: then it does, too.
            self.write_snapshot().await;
        }
        self.terminate(reason.clone()).await;
        let order = self.take_order();
        let kept = self.cell.lock().kept.as_ref().is_some_and(|kept| kept.seq > 0);
        if kept
            && !leaves
            && let Err(NotCommitted::Store(error)) = self.write(None, Vec::new(), None, None).await
        {
            // Nobody asked but itself, or whoever did is told: it is there still, with the state that is in the store.
            let refused = Error::from(error);
            self.answer_hand(&Failure::Other(refused.clone()));
            if order.is_none() {
                self.cell.lock().rare().stop =
                    Some(StopOrder { reason, keeps: false, done: std::collections::VecDeque::new() });
            }
            tell_order(order, &Err(Failure::Other(refused.clone())));
            self.lose_instance();
            self.at = Stage::Stored;
            return self.pause(refused).await;
        }
        self.finish(&reason);
        tell_order(order, &Ok(()));
    }

    pub(super) fn take_order(&self) -> Option<StopOrder> {
        let mut state = self.cell.lock();
        state.wishes.take(Wishes::END);
        state.rare.as_mut().and_then(|rare| rare.stop.take())
    }

    /// A crash of its own, or of one that it is linked to, ended it. What is kept of it is deleted.
    pub(super) async fn end_for_good(&mut self, reason: Reason) {
        self.lose_instance();
        let order = self.take_order();
        let mut retry = Retry::default();
        while let Err(NotCommitted::Store(_)) = self.write(None, Vec::new(), None, None).await {
            tokio::select! {
                biased;
                () = self.core.stopping.cancelled() => break,
                () = self.core.time.sleep(retry.failed()) => {}
            }
        }
        self.finish(&reason);
        tell_order(order, &Ok(()));
    }

    /// It never was: its `init` failed.
    pub(super) async fn end_unborn(&mut self, failure: StartFailure, reason: Reason) {
        let born = self.cell.lock().rare.as_mut().map(|rare| std::mem::take(&mut rare.born)).unwrap_or_default();
        let order = self.take_order();
        self.finish(&reason);
        for waiter in born {
            let _ = waiter.send(Err(failure.clone()));
        }
        tell_order(order, &Ok(()));
    }

    /// Another owner has it, or it is gone from the store.
    pub(super) async fn lost(&mut self) {
        self.answer_hand(&Failure::Other(Error::Conflict));
        let order = self.take_order();
        self.finish(&Reason::new("lost: another owner has it, or it was deleted"));
        tell_order(order, &Ok(()));
    }

    pub(super) fn finish(&mut self, reason: &Reason) {
        self.lose_instance();
        self.rested = true;
        self.core.end(&self.cell, reason);
    }
}

pub(super) fn tell_order(order: Option<StopOrder>, said: &Result<(), Failure>) {
    for done in order.into_iter().flat_map(|order| order.done) {
        let _ = done.send(said.clone());
    }
}

impl Core {
    /// A process is no more. First nobody finds it, then everybody is told.
    pub(crate) fn end(self: &Arc<Self>, cell: &Arc<Cell>, reason: &Reason) {
        self.registry.remove(cell);
        let (letters, rare, hand) = {
            let mut state = cell.lock();
            state.stage = Stage::Ended;
            // Memory that is not needed is not kept by those who still know the cell.
            state.args = Box::default();
            state.waker = None;
            state.counted = 0;
            (std::mem::take(&mut state.mailbox), state.rare.take(), state.hand.take())
        };
        let failure = Failure::Crashed(reason.clone());
        let answers = letters.into_iter().filter_map(|letter| match letter {
            Letter::Call { answer, .. } => Some(answer),
            _ => None,
        });
        let hand = hand.map(|(_, answer)| answer);
        answers.chain(hand).for_each(|answer| answer.give(Err(failure.clone())));
        if let Some(mut rare) = rare {
            for (id, timer) in std::mem::take(&mut rare.timers) {
                self.alarms.clear(timer.due, cell, Alarm::Timer(id));
            }
            self.alarms.clear(rare.again_at, cell, Alarm::Again);
            let pid = cell.pid();
            for topic in &rare.subscriptions {
                self.options.topics.unsubscribe(&pid, topic);
            }
            for (_, answer) in std::mem::take(&mut rare.late) {
                answer.give(Err(failure.clone()));
            }
            for (answer, _) in std::mem::take(&mut rare.outbox) {
                answer.give(Err(failure.clone()));
            }
            for monitor in rare.monitors.iter().filter(|(_, monitor)| !monitor.fired) {
                self.unwatch(&monitor.1.pid, cell, *monitor.0);
            }
            for waiter in std::mem::take(&mut rare.born) {
                let _ = waiter.send(Err(StartFailure::Crashed(reason.clone())));
            }
            for done in rare.stop.take().into_iter().flat_map(|order| order.done) {
                let _ = done.send(Ok(()));
            }
            self.tell_all(cell, std::mem::take(&mut rare.watchers), std::mem::take(&mut rare.links), reason);
        }
        self.tell(cell, &Happened::Ended(reason.clone()));
    }

    /// A process gave up: whoever watches it, or is linked to it, is told as if it had ended.
    pub(crate) fn tell_of_end(self: &Arc<Self>, cell: &Arc<Cell>, reason: &Reason) {
        let (watchers, links) = {
            let mut state = cell.lock();
            let rare = state.rare();
            (std::mem::take(&mut rare.watchers), std::mem::take(&mut rare.links))
        };
        self.tell_all(cell, watchers, links, reason);
    }

    fn tell_all(
        self: &Arc<Self>,
        cell: &Arc<Cell>,
        watchers: Vec<Watcher>,
        links: std::collections::BTreeMap<crate::Number, crate::Pid>,
        reason: &Reason,
    ) {
        let pid = cell.pid();
        for watcher in watchers {
            match watcher {
                Watcher::Process(watcher, monitor) => self.down(&watcher, monitor, &pid, reason),
                Watcher::Host(waiter) => {
                    let _ = waiter.send(reason.clone());
                }
            }
        }
        for (_, linked) in links {
            self.exit(&linked, &pid, reason);
        }
    }

    /// A timer of a process is due: its message goes into the mailbox, at most once at a time.
    pub(crate) fn timer_due(self: &Arc<Self>, cell: &Arc<Cell>, id: TimerId, due: crate::time::Tick) {
        let mut state = cell.lock();
        let timer = state.rare.as_mut().and_then(|rare| rare.timers.get_mut(&id));
        let Some(timer) = timer.filter(|timer| !timer.fired && timer.due == due) else { return };
        timer.fired = true;
        state.push(Letter::Timer(id));
        self.kick(cell, state);
    }
}
