//! What a process does next.

use crate::alarms::Alarm;
use crate::behaviour::Event;
use crate::cell::{Stage, State, Wishes};
use crate::error::Failure;
use crate::keeper::MailId;
use crate::letter::Letter;
use crate::observe::Happened;
use crate::reason::Reason;
use crate::time::Tick;

use super::Turn;

pub(super) enum Step {
    Rest,
    Handle(Box<Handed>),
    Bring,
    Die,
    End(Reason),
    Doomed(Reason),
    Move,
    Mail,
    Ties,
    Write,
    Sleep,
    Leave,
}

/// A message in hand.
pub(super) struct Handed {
    pub(super) event: Event,
    pub(super) mail: Option<MailId>,
    /// The same once more, in case that what it does cannot be committed, and nobody is told so who could ask again.
    pub(super) again: Option<Letter>,
}

impl Turn {
    /// Decides, and gives the process back to its cell if there is nothing to do.
    pub(super) fn next(&mut self) -> Step {
        let now = self.core.time.now();
        let cell = std::sync::Arc::clone(&self.cell);
        let mut state = cell.lock();
        state.waker = None;
        if state.wishes.take(Wishes::DIE) {
            cell.cut.store(false, std::sync::atomic::Ordering::Release);
            // One that is down already, by a crash just before, does not crash once more.
            if !matches!(self.at, Stage::BackingOff | Stage::GaveUp | Stage::Quarantined) {
                return Step::Die;
            }
        }
        if state.wishes.has(Wishes::END) {
            cell.cut.store(false, std::sync::atomic::Ordering::Release);
            if let Some(step) = ending(&mut state) {
                return step;
            }
        }
        if state.wishes.take(Wishes::AGAIN) {
            state.rare().budget.forget();
            if matches!(self.at, Stage::BackingOff | Stage::GaveUp | Stage::Quarantined) {
                self.at = state.revived();
                state.wishes.add(Wishes::BEGIN);
            }
        }
        match self.at {
            Stage::BackingOff | Stage::GaveUp | Stage::Quarantined => return self.rest(state, now),
            Stage::Unborn | Stage::Stored | Stage::Asleep(_) if state.wishes.take(Wishes::BEGIN) => return Step::Bring,
            _ => {}
        }
        state.wishes.take(Wishes::BEGIN);
        let skipped = state.skip_overdue(now);
        let step = self.choose(&mut state);
        if skipped > 0 {
            drop(state);
            (0..skipped).for_each(|_| self.tell(&Happened::Skipped));
            state = cell.lock();
        }
        match step {
            Some(step) => step,
            // While the lock was away something may have come.
            None if skipped > 0 => {
                drop(state);
                self.next()
            }
            None => self.rest(state, now),
        }
    }

    fn choose(&mut self, state: &mut State) -> Option<Step> {
        let setup = self.cell.kind.setup.load();
        let revision = setup.revision.id;
        let moves = match &self.at {
            Stage::Live(running) => running.revision.id != revision && state.refused != revision,
            _ => false,
        };
        let wished = state.wishes.take(Wishes::MOVE);
        if moves && (wished || !state.mailbox.is_empty()) {
            return Some(Step::Move);
        }
        let up = matches!(self.at, Stage::Live(_));
        // What is in the mailbox comes first, if there is much: there has to be room.
        if (state.counted == 0 || state.counted < setup.options.mailbox.get() / 2) && state.wishes.take(Wishes::MAIL) {
            return Some(Step::Mail);
        }
        if state.wishes.take(Wishes::TIES) {
            return Some(Step::Ties);
        }
        if state.wishes.take(Wishes::WRITE) && up {
            return Some(Step::Write);
        }
        if !state.mailbox.is_empty() {
            if !up {
                return Some(Step::Bring);
            }
            let commits = setup.options.persistence.commits();
            while let Some(letter) = state.pop() {
                if let Some(handed) = self.hand_over(state, letter, commits) {
                    return Some(Step::Handle(Box::new(handed)));
                }
            }
        }
        let sleep = state.wishes.take(Wishes::SLEEP);
        if let Stage::Live(running) = &self.at
            && running.revision.saves
            && (sleep || self.core.places.waking() > 0 && !self.core.is_stopping())
        {
            return Some(Step::Sleep);
        }
        if state.wishes.take(Wishes::LEAVE) && matches!(self.at, Stage::Asleep(_)) {
            return Some(Step::Leave);
        }
        None
    }

    /// The message as the process gets it; none if it was taken back.
    fn hand_over(&self, state: &mut State, letter: Letter, commits: bool) -> Option<Handed> {
        let mut handed = Handed { event: Event::Info(bytes::Bytes::new()), mail: None, again: None };
        handed.event = match letter {
            Letter::Call { message, from, answer, .. } => {
                state.hand = Some((from, answer));
                Event::Call { from, message }
            }
            Letter::Cast { message, mail } => {
                handed.mail = mail;
                handed.again = commits.then(|| Letter::Cast { message: message.clone(), mail });
                Event::Cast(message)
            }
            Letter::Info(message) => Event::Info(message),
            Letter::Published(message) => Event::Published(*message),
            Letter::Timer(id) => {
                let now = self.core.time.now();
                let rare = state.rare.as_mut()?;
                let timer = rare.timers.get_mut(&id).filter(|timer| timer.fired)?;
                rare.changed = true;
                let message = timer.message.clone();
                match now.saturating_sub(timer.due).checked_div(timer.interval) {
                    // What was missed is not made up for.
                    Some(missed) => {
                        timer.due = timer.due.saturating_add(timer.interval.saturating_mul(missed + 1));
                        timer.fired = false;
                        self.core.alarms.set(timer.due, &self.cell, Alarm::Timer(id));
                    }
                    None => drop(rare.timers.remove(&id)),
                }
                handed.again = commits.then_some(Letter::Timer(id));
                Event::Timer { id, message }
            }
            Letter::Down(down) => {
                let (monitor, pid, reason) = *down;
                let rare = state.rare.as_mut()?;
                rare.monitors.remove(&monitor)?;
                rare.changed = true;
                let again = || Letter::Down(Box::new((monitor, pid.clone(), reason.clone())));
                handed.again = commits.then(again);
                Event::Down { monitor, pid, reason }
            }
            Letter::Exit(exit) => {
                let (pid, reason) = *exit;
                handed.again = commits.then(|| Letter::Exit(Box::new((pid.clone(), reason.clone()))));
                Event::Exit { pid, reason }
            }
        };
        Some(handed)
    }

    /// Back to the cell.
    pub(super) fn rest(&mut self, mut state: parking_lot::MutexGuard<'_, State>, now: Tick) -> Step {
        state.idle_since = now;
        self.rested = true;
        let live = matches!(self.at, Stage::Live(_));
        let asleep = matches!(self.at, Stage::Asleep(_)) && state.kept.is_some();
        state.stage = std::mem::replace(&mut self.at, Stage::Ended);
        let saves = match &state.stage {
            Stage::Live(running) => running.revision.saves,
            _ => false,
        };
        let mut first = false;
        if live && saves && state.indexed == 0 {
            state.indexed = now;
            first = self.cell.kind.idle.insert(now, &self.cell);
        } else if asleep && state.indexed == 0 {
            state.indexed = now;
            self.cell.kind.asleep.insert(now, &self.cell);
        }
        drop(state);
        if first {
            self.core.alarms.earlier.notify_one();
        }
        Step::Rest
    }
}

/// Whether and how it is to end.
fn ending(state: &mut State) -> Option<Step> {
    let Some(rare) = state.rare.as_mut() else {
        state.wishes.take(Wishes::END);
        return None;
    };
    if let Some(doom) = rare.doom.take() {
        return Some(Step::Doomed(doom));
    }
    if let Some(order) = &rare.stop {
        return Some(Step::End(order.reason.clone()));
    }
    state.wishes.take(Wishes::END);
    None
}

impl State {
    /// Where a process goes on that lost its instance.
    pub(crate) fn revived(&self) -> Stage {
        if self.kept.as_ref().is_some_and(|kept| kept.seq > 0) { Stage::Stored } else { Stage::Unborn }
    }

    /// Calls in front whose time is over are taken out.
    fn skip_overdue(&mut self, now: Tick) -> usize {
        let mut skipped = 0;
        while let Some(Letter::Call { over, .. }) = self.mailbox.front()
            && *over <= now
        {
            if let Some(Letter::Call { answer, .. }) = self.pop() {
                answer.give(Err(Failure::Timeout("it waited in the mailbox until its time was over".to_owned())));
            }
            skipped += 1;
        }
        skipped
    }

    /// Calls that wait are answered so; everything else stays.
    pub(crate) fn refuse_calls(&mut self, failure: &Failure) -> Vec<(crate::letter::Answer, Failure)> {
        let mut refused = Vec::new();
        let mailbox = std::mem::take(&mut self.mailbox);
        for letter in mailbox {
            match letter {
                Letter::Call { answer, .. } => {
                    self.counted = self.counted.saturating_sub(1);
                    refused.push((answer, failure.clone()));
                }
                other => self.mailbox.push_back(other),
            }
        }
        refused
    }
}
