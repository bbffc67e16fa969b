//! From a name or a pid to a process: in memory, or else in the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_types::PluginName;

use crate::address::{Pid, Target};
use crate::cell::{Cell, Stage, Wishes};
use crate::core::Core;
use crate::error::Error;
use crate::extra::Extra;
use crate::keeper::Record;
use crate::observe::Happened;
use crate::service::{Listed, Page};

/// The longest page.
const PAGE_MAX: usize = 1000;

impl Core {
    /// Who it is, if it is there. Only what is not in memory, of a plugin that keeps processes, is looked up in the store.
    pub(crate) async fn find(self: &Arc<Self>, target: &Target) -> Result<Option<Arc<Cell>>, Error> {
        let found = match target {
            Target::Pid(pid) => self.registry.number(pid.number),
            Target::Name { plugin, name } => self.registry.name(plugin, name),
        };
        if found.is_some() || !self.registry.keeps(target.plugin()) {
            return Ok(found);
        }
        self.find_kept(target).await
    }

    async fn find_kept(self: &Arc<Self>, target: &Target) -> Result<Option<Arc<Cell>>, Error> {
        let Some(keeper) = &self.keeper else { return Ok(None) };
        let record = match target {
            Target::Pid(pid) => keeper.find(pid.plugin.clone(), pid.number).await?,
            Target::Name { plugin, name } => keeper.find_name(plugin.clone(), name.as_str().into()).await?,
        };
        Ok(record.and_then(|record| self.bring_back(&record)))
    }

    /// A kept process is in memory from now on, without its state. None: its plugin does not know the kind.
    pub(crate) fn bring_back(self: &Arc<Self>, record: &Record) -> Option<Arc<Cell>> {
        let pid = &record.pid;
        let kind = self.registry.kind(&pid.plugin, &pid.kind)?;
        if !kind.setup.load().options.persistence.is_kept() {
            return None;
        }
        let cell = Arc::new(Cell::new(pid.number, kind, record.name.clone(), Stage::Stored, &record.args));
        {
            let mut state = cell.lock();
            state.begun = true;
            if let Some(kept) = state.kept.as_deref_mut() {
                kept.seq = record.seq;
            }
            // There may be some that came while nobody was there.
            state.wishes.add(Wishes::MAIL);
        }
        if let Err(there) = self.registry.insert(&cell) {
            // Somebody else was faster, or one that is not kept has its name.
            return (there.number == cell.number).then_some(there);
        }
        self.put_extra(&cell, &Extra::read(&record.extra));
        self.tell(&cell, &Happened::Returned);
        Some(cell)
    }

    pub(crate) async fn list(
        &self,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Error> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        let mut names: BTreeMap<Arc<str>, Pid> = BTreeMap::new();
        // One more, to know whether there is another page.
        for cell in self.registry.names(plugin, prefix, after, limit + 1) {
            names.extend(cell.name.clone().map(|name| (name, cell.pid())));
        }
        if let Some(keeper) = self.keeper.as_ref().filter(|_| self.registry.keeps(plugin)) {
            let after = after.map(str::to_owned);
            for kept in keeper.list_names(plugin.clone(), prefix.to_owned(), after, limit + 1).await? {
                names.entry(kept.name).or_insert(kept.pid);
            }
        }
        let more = names.len() > limit;
        let processes: Vec<_> = names.into_iter().take(limit).map(|(name, pid)| Listed { name, pid }).collect();
        let cursor = processes.last().filter(|_| more).map(|last| last.name.as_ref().to_owned());
        Ok(Page { processes, cursor })
    }
}
