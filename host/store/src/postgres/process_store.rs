//! The handle, for whoever runs processes.

use skep_types::PluginName;

use super::store::{PostgresStore, not_yet};
use crate::Timestamp;
use crate::mail::{DueCursor, DuePage, Mail, MailId, MailPage, MailPlace, Receiver};
use crate::process::{EventPage, ProcessId, ProcessPage, ProcessRecord};
use crate::process_store::ProcessStore;
use crate::store::StoreFuture;

impl ProcessStore for PostgresStore {
    fn process(&self, _: ProcessId) -> StoreFuture<Option<ProcessRecord>> {
        not_yet()
    }

    fn process_by_name(&self, _: PluginName, _: String) -> StoreFuture<Option<ProcessRecord>> {
        not_yet()
    }

    fn process_names(&self, _: PluginName, _: String, _: Option<String>, _: usize) -> StoreFuture<ProcessPage> {
        not_yet()
    }

    fn processes(&self, _: PluginName, _: Option<u64>, _: usize) -> StoreFuture<ProcessPage> {
        not_yet()
    }

    fn process_events(&self, _: ProcessId, _: u64, _: usize) -> StoreFuture<EventPage> {
        not_yet()
    }

    fn mail_for(&self, _: Vec<Receiver>, _: Option<MailPlace>, _: Timestamp, _: usize) -> StoreFuture<MailPage> {
        not_yet()
    }

    fn processes_due(&self, _: DueCursor, _: Timestamp, _: usize) -> StoreFuture<DuePage> {
        not_yet()
    }

    fn post_mail(&self, _: PluginName, _: Vec<Mail>, _: Timestamp) -> StoreFuture<Vec<MailId>> {
        not_yet()
    }

    fn delete_mail(&self, _: Vec<MailId>) -> StoreFuture<u64> {
        not_yet()
    }

    fn remove_process(&self, _: ProcessId) -> StoreFuture<bool> {
        not_yet()
    }

    fn settle_upgrade(&self, _: PluginName) -> StoreFuture<u64> {
        not_yet()
    }
}
