//! The handle, for whoever runs processes.

use skep_types::PluginName;

use super::store::{PostgresStore, refused};
use super::{read, write};
use crate::Timestamp;
use crate::check;
use crate::error::Error;
use crate::limits::COMMIT_OPS_MAX;
use crate::mail::{DueCursor, DuePage, Mail, MailId, MailPage, MailPlace, Receiver};
use crate::process::{EventPage, ProcessId, ProcessPage, ProcessRecord};
use crate::process_store::ProcessStore;
use crate::store::StoreFuture;

impl ProcessStore for PostgresStore {
    fn process(&self, id: ProcessId) -> StoreFuture<Option<ProcessRecord>> {
        self.read(id, read::processes::record)
    }

    fn process_by_name(&self, plugin: PluginName, name: String) -> StoreFuture<Option<ProcessRecord>> {
        self.read((plugin, name), read::processes::by_name)
    }

    fn process_names(
        &self,
        plugin: PluginName,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<ProcessPage> {
        self.read((plugin, prefix, after, limit), read::processes::names)
    }

    fn processes(&self, plugin: PluginName, after: Option<u64>, limit: usize) -> StoreFuture<ProcessPage> {
        self.read((plugin, after, limit), read::processes::list)
    }

    fn process_events(&self, id: ProcessId, after: u64, limit: usize) -> StoreFuture<EventPage> {
        self.read((id, after, limit), read::processes::events)
    }

    fn mail_for(
        &self,
        to: Vec<Receiver>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> StoreFuture<MailPage> {
        self.read((to, after, now, limit), read::mail::mail_for)
    }

    fn processes_due(&self, after: DueCursor, now: Timestamp, limit: usize) -> StoreFuture<DuePage> {
        self.read((after, now, limit), read::due::due)
    }

    fn post_mail(&self, from: PluginName, mail: Vec<Mail>, now: Timestamp) -> StoreFuture<Vec<MailId>> {
        match check::mail(&mail, &self.shared.target.options.limits()) {
            Ok(bytes) => self.write((from, mail, now), bytes, write::mail::POST),
            Err(error) => refused(error),
        }
    }

    fn delete_mail(&self, ids: Vec<MailId>) -> StoreFuture<u64> {
        if ids.len() > COMMIT_OPS_MAX {
            return refused(Error::TooLarge(COMMIT_OPS_MAX as u64));
        }
        self.write(ids, 0, write::mail::DELETE)
    }

    fn remove_process(&self, id: ProcessId) -> StoreFuture<bool> {
        self.write(id, 0, write::process::REMOVE)
    }

    fn settle_upgrade(&self, plugin: PluginName) -> StoreFuture<u64> {
        self.write_in_steps(plugin, write::process::SETTLE_UPGRADE)
    }
}
