//! What a process does for itself, in the middle of a message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::address::Pid;
use crate::alarms::Alarm;
use crate::behaviour::{Answered, CallRef, TimerId};
use crate::core::Core;
use crate::error::{Error, Failure};
use crate::rare::Timer;
use crate::time::nanos;

impl Core {
    pub(crate) fn set_timer(&self, me: &Pid, message: Bytes, delay: Duration, again: bool) -> Result<TimerId, Error> {
        let cell = self.at_work(me)?;
        let limits = &self.options.limits;
        if message.len() > limits.message_bytes_max.as_usize() {
            return Err(Error::TooLarge(limits.message_bytes_max.0));
        }
        let due = self.time.after(delay);
        let mut state = cell.lock();
        let by_init = state.beginning;
        let rare = state.rare();
        if rare.timers.len() >= limits.timers_max {
            return Err(Error::Full("timers"));
        }
        let id = TimerId(rare.next_ref());
        let interval = if again { nanos(delay) } else { 0 };
        rare.timers.insert(id, Timer { message, interval, due, fired: false, by_init });
        rare.changed = true;
        self.alarms.set(due, &cell, Alarm::Timer(id));
        Ok(id)
    }

    pub(crate) fn cancel_timer(&self, me: &Pid, id: TimerId) -> Result<bool, Error> {
        let cell = self.at_work(me)?;
        let mut state = cell.lock();
        let Some(rare) = state.rare.as_mut() else { return Ok(false) };
        let Some(timer) = rare.timers.remove(&id) else { return Ok(false) };
        rare.changed = true;
        self.alarms.clear(timer.due, &cell, Alarm::Timer(id));
        Ok(true)
    }

    pub(crate) fn subscribe(&self, me: &Pid, topic: &str) -> Result<(), Error> {
        let cell = self.at_work(me)?;
        let topic: Arc<str> = topic.into();
        {
            let mut state = cell.lock();
            let rare = state.rare();
            if rare.subscriptions.contains(&topic) {
                return Ok(());
            }
            if rare.subscriptions.len() >= self.options.limits.subscriptions_max {
                return Err(Error::Full("subscriptions"));
            }
            // Before it is subscribed, so that no message finds nobody.
            rare.subscriptions.insert(Arc::clone(&topic));
            rare.changed = true;
        }
        let subscribed = self.options.topics.subscribe(me, &topic);
        if subscribed.is_err()
            && let Some(rare) = cell.lock().rare.as_mut()
        {
            rare.subscriptions.remove(&topic);
        }
        subscribed
    }

    pub(crate) fn unsubscribe(&self, me: &Pid, topic: &str) -> Result<(), Error> {
        let cell = self.at_work(me)?;
        let was = cell.lock().rare.as_mut().is_some_and(|rare| {
            rare.changed = true;
            rare.subscriptions.remove(topic)
        });
        if was {
            self.options.topics.unsubscribe(me, topic);
        }
        Ok(())
    }

    pub(crate) fn reply(&self, me: &Pid, to: CallRef, value: Answered) -> Result<(), Error> {
        let cell = self.at_work(me)?;
        let limit = self.options.limits.message_bytes_max;
        if value.as_ref().map_or_else(String::len, Bytes::len) > limit.as_usize() {
            return Err(Error::TooLarge(limit.0));
        }
        let commits = cell.kind.setup.load().options.persistence.commits();
        let mut state = cell.lock();
        let answer = match state.hand.take_if(|(from, _)| *from == to) {
            Some((_, answer)) => Some(answer),
            None => state.rare.as_mut().and_then(|rare| rare.late.remove(&to)),
        };
        let Some(answer) = answer else { return Ok(()) };
        if commits {
            state.rare().outbox.push((answer, value));
            return Ok(());
        }
        drop(state);
        answer.give(value.map_err(Failure::Failed));
        Ok(())
    }
}
