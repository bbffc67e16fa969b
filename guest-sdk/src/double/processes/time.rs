//! Time goes by when the test says so.

use std::time::Duration;

use super::{WORLD, settle};
use crate::{
    __private::bindings::{
        imports::skep::plugin::{store, types::Target},
        processes::exports::skep::plugin::process_handler as wit,
    },
    double::World,
};

/// Intervals that are far too short for the time that goes by.
const FIRED_MAX: usize = 1_000_000;

pub(super) struct Timer {
    pub(super) pid: String,
    pub(super) message: Vec<u8>,
    /// In milliseconds since the Unix epoch.
    pub(super) due: u64,
    pub(super) every: Option<u64>,
}

/// A cast that leaves later.
pub(super) struct Mail {
    to: Target,
    message: Vec<u8>,
    at: u64,
}

/// A cast of a commit: at once, or when its time has come. Nobody is told if there is no such process then.
pub(crate) fn post(world: &mut World, mail: &store::Mail) {
    let store::Mail { to, message, at } = mail;
    match at.filter(|at| *at > world.timestamp()) {
        Some(at) => world.processes.mail.push(Mail { to: to.clone(), message: message.clone(), at }),
        None => {
            let _ = world.processes.tell(to, wit::Event::Cast(message.clone()));
        }
    }
}

/// Moves the clock from one due thing to the next, and lets each be handled at its time.
pub(crate) fn advance(by: Duration) {
    let end = WORLD.with_borrow(|world| world.now.saturating_add(by));
    let fired = (0..FIRED_MAX).take_while(|_| fire(end)).count();
    assert!(fired < FIRED_MAX, "{FIRED_MAX} timers fired, and there are more: are intervals that short?");
    WORLD.with_borrow_mut(|world| world.now = end);
}

fn fire(end: Duration) -> bool {
    let fired = WORLD.with_borrow_mut(|world| {
        let until = world.began.saturating_add(end).as_millis();
        let timer =
            world.processes.timers.iter().min_by_key(|(_, timer)| timer.due).map(|(id, timer)| (*id, timer.due));
        let mail =
            (0..).zip(&world.processes.mail).min_by_key(|(_, mail)| mail.at).map(|(place, mail)| (place, mail.at));
        let due = [timer.map(|(_, due)| due), mail.map(|(_, at)| at)].into_iter().flatten().min();
        let Some(due) = due.filter(|due| u128::from(*due) <= until) else { return false };
        world.now = world.now.max(Duration::from_millis(due).saturating_sub(world.began));
        match (timer, mail) {
            (Some((id, at)), _) if at == due => world.processes.send(id),
            (_, Some((place, _))) => {
                let Mail { to, message, .. } = world.processes.mail.remove(place);
                let _ = world.processes.tell(&to, wit::Event::Cast(message));
            }
            _ => {}
        }
        true
    });
    settle();
    fired
}

impl super::Processes {
    fn send(&mut self, id: u64) {
        let Some(timer) = self.timers.get_mut(&id) else { return };
        let (pid, message) = (timer.pid.clone(), timer.message.clone());
        match timer.every {
            Some(every) => timer.due = timer.due.saturating_add(every),
            None => drop(self.timers.remove(&id)),
        }
        if let Some(cell) = self.all.get_mut(&pid) {
            cell.mailbox.push_back(wit::Event::Timer(wit::Timer { id, message }));
        }
    }
}
