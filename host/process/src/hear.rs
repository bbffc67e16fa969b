//! What the store tells: mail that is due, and mail that will be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use skep_store::{Changes, KeptMail, Receiver, Timestamp};

use crate::address::Number;
use crate::cell::{Stage, Wishes};
use crate::core::Core;
use crate::letter::Letter;

impl Core {
    pub(crate) fn hear(self: &Arc<Self>, changes: &Changes) {
        for mail in &changes.mail {
            self.hear_of(mail);
        }
        if let Some(at) = changes.mail_due {
            self.put_off(at);
        }
        if changes.reopened {
            self.mail.notify_one();
        }
    }

    fn hear_of(self: &Arc<Self>, mail: &KeptMail) {
        let cell = match &mail.to {
            Receiver::Process(id) => self.registry.number(Number(id.number)),
            Receiver::Name(plugin, name) => self.registry.name(plugin, name),
        };
        let own = cell.filter(|cell| cell.kind.plugin == *mail.to.plugin());
        let Some(cell) = own.filter(|cell| cell.kind.setup.load().options.persistence.commits()) else {
            return self.mail.notify_one();
        };
        let limit = cell.kind.setup.load().options.mailbox.get();
        let mut state = cell.lock();
        let waits = match state.stage {
            Stage::Ended => return self.mail.notify_one(),
            Stage::GaveUp | Stage::Quarantined => true,
            _ => state.counted >= limit || state.wishes.has(Wishes::MAIL),
        };
        let rare = state.rare();
        rare.heard = rare.heard.max(mail.id.0);
        if waits {
            // It is read when those before it are, or when there is room.
            state.wishes.add(Wishes::MAIL);
        } else if rare.mail.insert(mail.id) {
            state.push(Letter::Cast { message: mail.data.clone(), mail: Some(mail.id) });
        }
        self.kick(&cell, state);
    }

    fn put_off(&self, at: Timestamp) {
        if at < self.look_at.load(Ordering::SeqCst) {
            self.mail.notify_one();
        }
    }
}
