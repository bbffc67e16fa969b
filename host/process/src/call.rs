//! Messages to processes, and the answers of those who are waited for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::address::{Number, Pid, Target};
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::{Error, Failure};
use crate::keeper::{MailTo, NewMail};
use crate::letter::{Answer, Letter, dropped};
use crate::observe::Happened;
use crate::reason::Reason;
use crate::time::{Tick, nanos};

/// So far is a chain of those who wait for each other followed.
const CHAIN_MAX: usize = 16;

/// Who waits for whom, while it does.
struct Waits(Arc<Cell>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waits_for.store(0, Ordering::Relaxed);
    }
}

impl Core {
    pub(crate) async fn call(
        self: &Arc<Self>,
        me: Option<&Pid>,
        to: &Target,
        message: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, Failure> {
        self.check(&message)?;
        let cell = self.find(to).await?.ok_or(Failure::NotFound)?;
        let waits = me.and_then(|me| self.registry.number(me.number)).map(|own| {
            own.waits_for.store(cell.number.0, Ordering::Relaxed);
            Waits(own)
        });
        Self::pay_for_turn().await;
        let (answer, waiting) = Answer::new();
        let over = self.time.now().saturating_add(nanos(timeout));
        if let Some(stage) = self.put(&cell, Letter::Call { message, from: self.call_ref(), answer, over })? {
            self.run_here(&cell, stage).await;
        }
        match self.answered(waiting, over).await {
            Some(answer) => answer,
            None => Err(Failure::Timeout(self.explain(waits.as_ref().map(|waits| waits.0.number), &cell))),
        }
    }

    /// The answer; none if there is none by then.
    async fn answered(
        &self,
        mut waiting: oneshot::Receiver<Result<Bytes, Failure>>,
        over: Tick,
    ) -> Option<Result<Bytes, Failure>> {
        let mut timer = None;
        poll_fn(move |cx| {
            if let Poll::Ready(answer) = Pin::new(&mut waiting).poll(cx) {
                return Poll::Ready(Some(answer.unwrap_or_else(|_| Err(dropped()))));
            }
            let timer = timer.get_or_insert_with(|| Box::pin(self.time.sleep_until(over)));
            // Tokio lets a task look at so much at a time: the answer may be there all the same.
            timer.as_mut().poll(cx).map(|()| waiting.try_recv().ok())
        })
        .await
    }

    pub(crate) fn check(&self, message: &Bytes) -> Result<(), Error> {
        if self.is_stopping() {
            return Err(Error::Stopping);
        }
        let limit = self.options.limits.message_bytes_max;
        if message.len() > limit.as_usize() { Err(Error::TooLarge(limit.0)) } else { Ok(()) }
    }

    /// Into the mailbox, if there is room, and the process sees to it.
    pub(crate) fn post(self: &Arc<Self>, cell: &Arc<Cell>, letter: Letter) -> Result<(), Failure> {
        if let Some(stage) = self.put(cell, letter)? {
            self.run(cell, stage);
        }
        Ok(())
    }

    /// Into the mailbox, if there is room. Whoever gets a stage has to run a turn with it.
    fn put(&self, cell: &Arc<Cell>, letter: Letter) -> Result<Option<Stage>, Failure> {
        let limit = cell.kind.setup.load().options.mailbox.get();
        let mut state = cell.lock();
        let call = matches!(letter, Letter::Call { .. });
        match state.stage {
            Stage::Ended => return Err(Failure::NotFound),
            // They are told so at once; everything else waits for better days.
            Stage::GaveUp | Stage::Quarantined if call => {
                let why = state.rare.as_ref().and_then(|rare| rare.trouble.clone());
                return Err(Failure::Crashed(why.unwrap_or(Reason::NOPROC)));
            }
            _ => {}
        }
        if state.counted >= limit {
            drop(state);
            self.tell(cell, &Happened::MailboxFull);
            return Err(Failure::Full);
        }
        state.push(letter);
        Ok(Self::begin(&mut state))
    }

    pub(crate) async fn cast(self: &Arc<Self>, to: &Target, message: Bytes) -> Result<(), Failure> {
        self.check(&message)?;
        let cell = self.find(to).await?.ok_or(Failure::NotFound)?;
        let options = cell.kind.setup.load().options;
        let Some(keeper) = self.keeper.as_ref().filter(|_| options.persistence.commits()) else {
            return self.post(&cell, Letter::Cast { message, mail: None });
        };
        {
            let state = cell.lock();
            if matches!(state.stage, Stage::Ended) {
                return Err(Failure::NotFound);
            }
            if state.counted >= options.mailbox.get() {
                drop(state);
                self.tell(&cell, &Happened::MailboxFull);
                return Err(Failure::Full);
            }
        }
        let mail = NewMail {
            plugin: cell.kind.plugin.clone(),
            to: MailTo::Number(cell.number),
            data: message.clone(),
            at: None,
            now: self.time.wall(),
        };
        let id = keeper.post(mail).await.map_err(Error::from)?;
        let mut state = cell.lock();
        if matches!(state.stage, Stage::Ended) {
            return Ok(());
        }
        // It is in the store: from now on there is room for it, and it is handled once though it may have been read there, or
        // the store has told of it. What is read there first was there first.
        let is_read = state.wishes.has(Wishes::MAIL);
        let rare = state.rare();
        if id.0 > rare.heard && !is_read && rare.mail.insert(id) {
            state.push(Letter::Cast { message, mail: Some(id) });
            self.kick(&cell, state);
        }
        Ok(())
    }

    /// What the callee does instead of answering, for people.
    fn explain(&self, me: Option<Number>, cell: &Arc<Cell>) -> String {
        let mut text = String::new();
        let mut at = Arc::clone(cell);
        for _ in 0..CHAIN_MAX {
            let next = at.waits_for.load(Ordering::Relaxed);
            if next == 0 {
                break;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            if Some(Number(next)) == me {
                text.push_str(&format!("{} waits for {}, which is the caller", at.shown(), shown(self, Number(next))));
                return text;
            }
            text.push_str(&format!("{} waits for {}", at.shown(), shown(self, Number(next))));
            match self.registry.number(Number(next)) {
                Some(found) => at = found,
                None => return text,
            }
        }
        let state = at.lock();
        let waiting = state.mailbox.len();
        let does = match &state.stage {
            Stage::Working if !state.begun => "is starting",
            Stage::Working => "is handling a message",
            Stage::BackingOff => "crashed too often and waits to be started again",
            Stage::Unborn | Stage::Stored | Stage::Asleep(_) => "waits for its store or for an instance",
            Stage::GaveUp => "gave up",
            Stage::Quarantined => "is quarantined",
            Stage::Live(_) => "has not answered yet",
            Stage::Ended => "has ended",
        };
        drop(state);
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&format!("{} {does}; {waiting} more in its mailbox", at.shown()));
        text
    }
}

fn shown(core: &Core, number: Number) -> String {
    core.registry.number(number).map_or_else(|| number.to_string(), |cell| cell.shown())
}
