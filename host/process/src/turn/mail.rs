//! What stands in the store for a process: its mail, and what the engine noted beside its state.

use super::Turn;
use crate::cell::Wishes;
use crate::error::Error;
use crate::extra::Extra;
use crate::keeper::MailTo;
use crate::letter::Letter;

/// So much mail is read at a time.
const MAIL_PAGE: usize = 256;

impl Turn {
    /// Mail that is not in the mailbox yet gets there. What the mailbox has no room for stays in the store.
    pub(super) async fn read_mail(&mut self) {
        let Some(keeper) = self.core.keeper.clone() else { return };
        let mut to = vec![MailTo::Number(self.cell.number)];
        to.extend(self.cell.name.clone().map(MailTo::Name));
        let mut after = None;
        loop {
            let plugin = self.cell.kind.plugin.clone();
            let page = match keeper.mail(plugin, to.clone(), after, self.core.time.wall(), MAIL_PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    self.cell.lock().wishes.add(Wishes::MAIL);
                    return self.pause(Error::from(error)).await;
                }
            };
            let more = page.more;
            let limit = self.cell.kind.setup.load().options.mailbox.get();
            let mut state = self.cell.lock();
            for mail in page.mail {
                after = Some(mail.place());
                if state.counted >= limit {
                    // It is looked at again when there is room.
                    state.wishes.add(Wishes::MAIL);
                    return;
                }
                if state.rare().mail.insert(mail.id) {
                    state.push(Letter::Cast { message: mail.data, mail: Some(mail.id) });
                }
            }
            if !more {
                return;
            }
        }
    }

    /// After a turn that was not committed: timers and the like are what was committed.
    pub(super) async fn restore(&mut self) {
        let commits = self.cell.kind.setup.load().options.persistence.commits();
        let kept = self.cell.lock().kept.as_ref().is_some_and(|kept| kept.seq > 0);
        let (true, true, Some(keeper)) = (commits, kept, self.core.keeper.clone()) else { return };
        // If the store does not answer, the ones in memory stay; the next commit writes them.
        let Ok(Some(record)) = keeper.find(self.cell.kind.plugin.clone(), self.cell.number).await else { return };
        self.core.put_extra(&self.cell, &Extra::read(&record.extra));
    }

    pub(super) async fn look_up_ties(&mut self) {
        let me = self.cell.pid();
        let (monitors, links) = {
            let state = self.cell.lock();
            let Some(rare) = state.rare.as_ref() else { return };
            let monitors: Vec<_> = rare
                .monitors
                .iter()
                .filter(|(_, monitor)| !monitor.fired)
                .map(|(id, monitor)| (*id, monitor.pid.clone()))
                .collect();
            (monitors, rare.links.values().cloned().collect::<Vec<_>>())
        };
        for (monitor, pid) in monitors {
            let watcher = crate::rare::Watcher::Process(me.clone(), monitor);
            let watched = match self.core.find(&pid.clone().into()).await {
                Ok(Some(target)) => {
                    self.core.unwatch(&pid, &self.cell, monitor);
                    self.core.watch(&target, watcher).is_ok()
                }
                Ok(None) => false,
                Err(error) => {
                    self.cell.lock().wishes.add(Wishes::TIES);
                    return self.pause(error).await;
                }
            };
            if !watched {
                self.core.down(&me, monitor, &pid, &crate::Reason::NOPROC);
            }
        }
        for pid in links {
            match self.core.find(&pid.clone().into()).await {
                Ok(Some(target)) => drop(self.core.tie(&self.cell, &target)),
                Ok(None) => self.core.exit(&me, &pid, &crate::Reason::NOPROC),
                Err(error) => {
                    self.cell.lock().wishes.add(Wishes::TIES);
                    return self.pause(error).await;
                }
            }
        }
    }
}
