//! One message, from its handing over to its answer.

use std::sync::atomic::Ordering;

use super::Turn;
use super::next::Handed;
use crate::behaviour::{self, Answered, CallRef, Next};
use crate::cell::{Stage, State, Wishes};
use crate::error::{Error, Failure};
use crate::letter::{Answer, Letter};
use crate::observe::Happened;
use crate::options::Persistence;
use crate::reason::{Crash, Fault, Reason};
use crate::time::until;

use super::commit::NotCommitted;

/// What follows a message.
#[derive(Default)]
struct Said {
    reply: Option<(Answer, Answered)>,
    /// What is no call failed.
    failed: Option<String>,
    /// A call that it owes an answer is one too many.
    refused: Option<Answer>,
    stop: Option<Reason>,
    write: bool,
}

impl Turn {
    pub(super) async fn handle(&mut self, handed: Handed) {
        let began = if self.core.wants_handled { self.core.time.now() } else { 0 };
        let Handed { event, mail, again } = handed;
        let done = self.guarded(move |instance| instance.handle(event)).await;
        let turn = match done {
            Ok(turn) => turn,
            Err(crash) => {
                // It was in hand and is lost; so that it is not in hand for ever, the mail goes too.
                Box::pin(self.lose_mail(mail)).await;
                return Box::pin(self.crash(crash)).await;
            }
        };
        if self.core.wants_handled {
            let took = until(began, self.core.time.now());
            self.core.options.observer.handled(&self.cell.pid(), took);
        }
        let persistence = self.cell.kind.setup.load().options.persistence;
        if !persistence.commits() {
            if turn.staged.is_some() || !turn.events.is_empty() {
                let crash = Crash::new(Fault::Returned, "it staged what its persistence does not commit");
                return Box::pin(self.crash(crash)).await;
            }
            return self.conclude(turn.next, persistence).await;
        }
        Box::pin(self.commit_and_conclude(turn, persistence, mail, again)).await;
    }

    async fn commit_and_conclude(
        &mut self,
        turn: behaviour::Turn,
        persistence: Persistence,
        mail: Option<crate::MailId>,
        again: Option<Letter>,
    ) {
        let behaviour::Turn { next, staged, events } = turn;
        let ends = matches!(&next, Next::Stop { reason, .. } if !reason.is_abnormal());
        match self.commit(staged, events, mail, ends).await {
            Ok(()) => {
                self.let_out();
                self.conclude(next, persistence).await;
            }
            Err(NotCommitted::Crash(crash)) => self.crash(crash).await,
            Err(NotCommitted::Conflict) => {
                self.tell(&Happened::Conflict);
                self.take_back(&Failure::Conflict, mail).await;
            }
            // Whenever it is tried it is refused: it is the message's doing, and the message is over.
            Err(NotCommitted::Store(error)) if error.is_final() => {
                self.tell(&Happened::NotCommitted(error.clone()));
                self.take_back(&Failure::Other(Error::from(error)), mail).await;
            }
            Err(NotCommitted::Store(error)) => self.not_committed(error, again).await,
            Err(NotCommitted::Lost) => self.lost().await,
        }
    }

    /// What the message said is so: its answer leaves.
    async fn conclude(&mut self, next: Next, persistence: Persistence) {
        let said = self.settle(next, persistence);
        if let Some((answer, value)) = said.reply {
            answer.give(value.map_err(Failure::Failed));
        }
        if let Some(why) = said.failed {
            self.tell(&Happened::MessageFailed(why));
        }
        if let Some(answer) = said.refused {
            answer.give(Err(Failure::Full));
            return Box::pin(self.crash(Crash::new(Fault::Returned, "it owes too many answers"))).await;
        }
        if let Some(reason) = said.stop {
            return Box::pin(self.stopped_itself(reason)).await;
        }
        if said.write {
            Box::pin(self.write_snapshot()).await;
        }
    }

    fn settle(&self, next: Next, persistence: Persistence) -> Said {
        let mut said = Said::default();
        let mut state = self.cell.lock();
        state.handled += 1;
        self.core.handled.fetch_add(1, Ordering::Relaxed);
        let hand = state.hand.take();
        let (value, later) = match next {
            Next::NoReply => (None, true),
            Next::Reply(value) => (Some(value), false),
            Next::Stop { reason, reply } => {
                said.stop = Some(reason);
                (reply, false)
            }
            Next::Hibernate(value) => {
                state.wishes.add(Wishes::SLEEP);
                let later = value.is_none();
                (value, later)
            }
        };
        match (hand, value) {
            (Some((_, answer)), Some(value)) => said.reply = Some((answer, value)),
            (Some((from, answer)), None) if later => said.refused = self.owe(&mut state, from, answer),
            (None, Some(Err(why))) => said.failed = Some(why),
            // It ends without an answer, and says so when it has.
            (hand, _) => state.hand = hand,
        }
        if let Persistence::Snapshot { every_messages, every } = persistence {
            said.write = self.count_dirty(&mut state, every_messages.get(), every);
        }
        said
    }

    /// A call is answered later; it comes back if too many are.
    fn owe(&self, state: &mut State, from: CallRef, answer: Answer) -> Option<Answer> {
        let limit = self.core.options.limits.late_max;
        let late = &mut state.rare().late;
        if late.len() >= limit {
            late.retain(|_, answer| answer.is_awaited());
        }
        if late.len() >= limit {
            return Some(answer);
        }
        late.insert(from, answer);
        None
    }

    async fn stopped_itself(&mut self, reason: Reason) {
        if reason.is_abnormal() {
            self.terminate(reason.clone()).await;
            return self.crash(Crash { fault: Fault::Returned, reason }).await;
        }
        self.end_in_order(reason).await;
    }

    /// Answers that waited for the commit.
    pub(super) fn let_out(&self) {
        let outbox = self.cell.lock().rare.as_mut().map(|rare| std::mem::take(&mut rare.outbox));
        for (answer, value) in outbox.unwrap_or_default() {
            answer.give(value.map_err(Failure::Failed));
        }
    }

    /// The message came to nothing, for good: the state is what it was.
    async fn take_back(&mut self, why: &Failure, mail: Option<crate::MailId>) {
        self.answer_hand(why);
        self.lose_instance();
        self.at = Stage::Stored;
        self.lose_mail(mail).await;
        self.restore().await;
    }

    /// The store did not take it: the state is what it was, and what nobody can ask for again is tried again later.
    async fn not_committed(&mut self, error: skep_store::Error, again: Option<Letter>) {
        self.tell(&Happened::NotCommitted(error.clone()));
        let refused = Error::from(error);
        self.answer_hand(&Failure::Other(refused.clone()));
        self.lose_instance();
        {
            let mut state = self.cell.lock();
            self.at = state.revived();
            if let Some(letter) = again {
                state.put_back(letter);
            }
        }
        self.pause(refused).await;
    }

    /// What was in hand fails so, and what was to leave does not.
    pub(super) fn answer_hand(&self, failure: &Failure) {
        let mut state = self.cell.lock();
        let hand = state.hand.take();
        let outbox = state.rare.as_mut().map(|rare| std::mem::take(&mut rare.outbox)).unwrap_or_default();
        drop(state);
        if let Some((_, answer)) = hand {
            answer.give(Err(failure.clone()));
        }
        for (answer, _) in outbox {
            answer.give(Err(failure.clone()));
        }
    }

    /// The instance is gone, and is in no index.
    pub(super) fn lose_instance(&mut self) {
        let mut state = self.cell.lock();
        let indexed = std::mem::take(&mut state.indexed);
        drop(state);
        match std::mem::replace(&mut self.at, Stage::Unborn) {
            Stage::Live(_) => self.cell.kind.idle.remove(indexed, &self.cell),
            Stage::Asleep(asleep) => {
                self.cell.kind.asleep.remove(indexed, &self.cell);
                self.core.state_bytes.fetch_sub(asleep.state.len() as u64, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl From<skep_store::Error> for Error {
    fn from(error: skep_store::Error) -> Self {
        match error {
            skep_store::Error::Invalid(text) => Self::Invalid(text),
            skep_store::Error::TooLarge(limit) => Self::TooLarge(limit),
            skep_store::Error::Quota(_) => Self::Full("the plugin's quota of the store"),
            skep_store::Error::NotFound => Self::NotFound,
            skep_store::Error::OutcomeUnknown => Self::OutcomeUnknown,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
