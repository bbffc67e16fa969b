//! The handle, for whoever runs processes.

use skep_types::PluginName;

use super::store::{SqliteStore, refused};
use super::{read, write};
use crate::Timestamp;
use crate::check;
use crate::error::Error;
use crate::limits::COMMIT_OPS_MAX;
use crate::mail::{DueCursor, DuePage, Mail, MailId, MailPage, MailPlace, Receiver};
use crate::process::{EventPage, ProcessId, ProcessPage, ProcessRecord};
use crate::process_store::ProcessStore;
use crate::store::StoreFuture;

impl ProcessStore for SqliteStore {
    fn process(&self, id: ProcessId) -> StoreFuture<Option<ProcessRecord>> {
        self.read(move |reader| read::processes::record(reader, &id))
    }

    fn process_by_name(&self, plugin: PluginName, name: String) -> StoreFuture<Option<ProcessRecord>> {
        self.read(move |reader| read::processes::by_name(reader, &plugin, &name))
    }

    fn process_names(
        &self,
        plugin: PluginName,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<ProcessPage> {
        self.read(move |reader| read::processes::names(reader, &plugin, &prefix, after.as_deref(), limit))
    }

    fn processes(&self, plugin: PluginName, after: Option<u64>, limit: usize) -> StoreFuture<ProcessPage> {
        self.read(move |reader| read::processes::list(reader, &plugin, after, limit))
    }

    fn process_events(&self, id: ProcessId, after: u64, limit: usize) -> StoreFuture<EventPage> {
        self.read(move |reader| read::processes::events(reader, &id, after, limit))
    }

    fn mail_for(
        &self,
        to: Vec<Receiver>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> StoreFuture<MailPage> {
        self.read(move |reader| read::mail::mail_for(reader, &to, after, now, limit))
    }

    fn processes_due(&self, after: DueCursor, now: Timestamp, limit: usize) -> StoreFuture<DuePage> {
        self.read(move |reader| read::due::due(reader, after, now, limit))
    }

    fn post_mail(&self, from: PluginName, mail: Vec<Mail>, now: Timestamp) -> StoreFuture<Vec<MailId>> {
        match check::mail(&mail, &self.shared.options.limits()) {
            Ok(bytes) => self.write((from, mail, now), bytes, write::mail::post),
            Err(error) => refused(error),
        }
    }

    fn delete_mail(&self, ids: Vec<MailId>) -> StoreFuture<u64> {
        if ids.len() > COMMIT_OPS_MAX {
            return refused(Error::TooLarge(COMMIT_OPS_MAX as u64));
        }
        self.write(ids, 0, write::mail::delete)
    }

    fn remove_process(&self, id: ProcessId) -> StoreFuture<bool> {
        self.write(id, 0, write::process::remove)
    }

    fn settle_upgrade(&self, plugin: PluginName) -> StoreFuture<u64> {
        self.write_in_steps(plugin, write::process::settle_upgrade)
    }
}
