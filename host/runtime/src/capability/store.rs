//! `skep:plugin/store`: the guest's side of the durable store.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use skep_bindings::jobs::Inserted;
use skep_bindings::store::{self, Committed, Op, Page, Place, Refusal};
use skep_bindings::types::Error;
use skep_jobs::Jobs;
use skep_manifest::{KeyPattern, KeySelector};
use skep_process::Target;
use skep_store::{
    Area, Check, Commit, CommitError, Item, Key, ListRequest, Mail, Outgoing, ProcessId, Publish, Receiver, Store,
    Timestamp, Write,
};
use skep_types::{Clock, PluginName};

use super::cache::Access;
use super::process::Wanted;
use super::topics::Direction;
use crate::state::CallState;

/// The most items of a page.
const LIST_MAX: usize = 1_000;
/// The most operations of a commit.
const OPERATIONS_MAX: usize = 1_000;
/// What an item costs a guest beside its key and value.
const ITEM_BYTES: usize = 48;

/// The durable store, and whose data in it a plugin may use. Its own is always granted.
#[derive(Clone)]
pub struct StoreGrants {
    /// Where data and jobs are.
    pub store: Arc<dyn Store>,
    /// Who sees that jobs are done.
    pub jobs: Jobs,
    /// What time it is for all of it.
    pub clock: Arc<dyn Clock>,
    /// Data of other plugins.
    pub others: Vec<GrantedSpace>,
    /// The longest value of an item, and arguments of a job, in bytes.
    pub value_bytes_max: usize,
}

/// Data of another plugin that the manifest gives to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedSpace {
    /// Which keys, and whose.
    pub keys: KeySelector,
    /// What may be done with them.
    pub access: Access,
}

impl StoreGrants {
    /// Wall time in milliseconds since 1970.
    pub(crate) fn now(&self) -> Timestamp {
        let wall = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_millis()).unwrap_or(Timestamp::MAX)
    }
}

impl CallState {
    /// The store, if this host has one.
    pub(super) fn store(&self) -> Result<&StoreGrants, Error> {
        self.env.store.as_ref().ok_or_else(|| Error::Unavailable("this host has no store".to_owned()))
    }

    /// Whose data a guest means, if it may do this with the keys that `covered` accepts.
    fn space(
        &self,
        named: Option<&str>,
        wanted: Access,
        covered: impl Fn(&KeyPattern) -> bool,
    ) -> Result<PluginName, Error> {
        let own = self.stats.plugin();
        let Some(named) = named.filter(|named| *named != own.as_str()) else { return Ok(own.clone()) };
        let mut granted = self.store()?.others.iter().filter(|other| other.keys.owner.as_str() == named);
        let allowed = |other: &&GrantedSpace| wanted == Access::Read || other.access == Access::ReadWrite;
        let found = granted.find(|other| allowed(other) && covered(&other.keys.pattern));
        found.map(|other| other.keys.owner.clone()).ok_or_else(|| {
            let word = if wanted == Access::Read { "read" } else { "read-write" };
            Error::Denied(format!(
                "the data of `{named}` is not granted for this; write `store = {{ \"{named}/*\" = \"{word}\" }}`, or some \
                 of its keys, in the plugin's grants"
            ))
        })
    }

    /// Whether something of the guest is short enough to be kept.
    pub(super) fn value(&self, bytes: usize) -> Result<(), Error> {
        self.stats.owe(bytes);
        let most = self.store()?.value_bytes_max;
        if bytes > most { Err(Error::TooLarge(most as u64)) } else { Ok(()) }
    }

    fn place(&self, place: Place, wanted: Access) -> Result<Key, Error> {
        self.stats.owe(place.key.len());
        Ok(Key::of_plugin(self.space(place.space.as_deref(), wanted, |keys| keys.matches(&place.key))?, place.key))
    }

    /// Items on their way to the guest, if they are not more than one answer may have.
    fn answer(&self, items: Vec<Option<Item>>) -> Result<Vec<Option<store::Item>>, Error> {
        let bytes = items.iter().flatten().map(|item| item.key.len() + item.value.len() + ITEM_BYTES).sum();
        if bytes > self.env.answer_bytes_max {
            return Err(Error::TooLarge(self.env.answer_bytes_max as u64));
        }
        self.stats.owe(bytes);
        Ok(items.into_iter().map(|item| item.map(to_guest)).collect())
    }

    /// What the guest wants written, in the store's words. Places of its list are kept for what is refused.
    pub(super) fn commit_of(&self, ops: Vec<Op>) -> Result<(Commit, Places), Error> {
        if ops.len() > OPERATIONS_MAX {
            return Err(Error::TooLarge(OPERATIONS_MAX as u64));
        }
        let mut commit = Commit::new(self.stats.plugin().clone(), self.store()?.now());
        let (mut places, mut jobs) = (Places::default(), Vec::new());
        for (at, op) in ops.into_iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            match op {
                Op::Check(check) => {
                    let key = self.place(check.at, Access::Read)?;
                    places.checks.push(at);
                    commit.checks.push(Check { key, version: check.version });
                }
                Op::Set(set) => {
                    let key = self.place(set.at, Access::ReadWrite)?;
                    self.value(set.value.len())?;
                    commit.writes.push(Write::Set { key, value: set.value.into(), expires: set.expires });
                }
                Op::Delete(place) => commit.writes.push(Write::Delete(self.place(place, Access::ReadWrite)?)),
                Op::Sum(sum) => {
                    let key = self.place(sum.at, Access::ReadWrite)?;
                    commit.writes.push(Write::Sum { key, by: sum.by });
                }
                Op::Enqueue(job) => {
                    places.jobs.push(at);
                    jobs.push(job);
                }
                Op::Publish(message) => {
                    self.stats.owe(message.data.len());
                    let topic = self.topic(&message.topic, Direction::Publish)?;
                    let (event, data) = (message.event.as_deref(), &message.data);
                    self.env.topics.pubsub.check(event, data).map_err(super::pubsub::refused)?;
                    let publish = Publish { topic, event: message.event, data: message.data.into() };
                    commit.messages.push(Outgoing::Publish(publish));
                }
                Op::Send(mail) => {
                    let to = match self.target(mail.to, Wanted::Call)? {
                        Target::Pid(pid) => Receiver::Process(ProcessId { plugin: pid.plugin, number: pid.number.0 }),
                        Target::Name { plugin, name } => Receiver::Name(plugin, name),
                    };
                    self.value(mail.message.len())?;
                    commit.messages.push(Outgoing::Mail(Mail { to, data: mail.message.into(), at: mail.at }));
                }
            }
        }
        commit.jobs = self.new_jobs(jobs)?;
        Ok((commit, places))
    }
}

/// Where in the guest's list what can be refused stood.
#[derive(Default)]
pub(super) struct Places {
    checks: Vec<u32>,
    jobs: Vec<u32>,
}

impl Places {
    fn refusal(&self, error: CommitError) -> Refusal {
        let place = |list: &[u32], at: usize| list.get(at).copied().unwrap_or(u32::MAX);
        match error {
            CommitError::Conflict(at) => Refusal::Conflict(place(&self.checks, at)),
            CommitError::Duplicate(at) => Refusal::Duplicate(place(&self.jobs, at)),
            CommitError::Store(error) => Refusal::Other(refused(error)),
            // Only a turn of a process can be refused so, and this is none.
            other => Refusal::Other(Error::Unavailable(other.to_string())),
        }
    }
}

impl store::Host for CallState {
    async fn get(&mut self, space: Option<String>, key: String) -> Result<Option<store::Item>, Error> {
        let mut items = self.get_many(space, vec![key]).await?;
        Ok(items.pop().flatten())
    }

    async fn get_many(&mut self, space: Option<String>, keys: Vec<String>) -> Result<Vec<Option<store::Item>>, Error> {
        if keys.len() > OPERATIONS_MAX {
            return Err(Error::TooLarge(OPERATIONS_MAX as u64));
        }
        let mut of = self.stats.plugin().clone();
        for key in &keys {
            self.stats.owe(key.len());
            of = self.space(space.as_deref(), Access::Read, |keys| keys.matches(key))?;
        }
        let grants = self.store()?;
        let items = grants.store.get(of, keys, grants.now()).await.map_err(refused)?;
        self.answer(items)
    }

    async fn list(
        &mut self,
        space: Option<String>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page, Error> {
        self.stats.owe(prefix.len());
        let space = self.space(space.as_deref(), Access::Read, |keys| keys.covers(&prefix))?;
        let grants = self.store()?;
        let limit = if limit == 0 { LIST_MAX } else { (limit as usize).min(LIST_MAX) };
        let bytes_max = self.env.answer_bytes_max / 2;
        let (area, now) = (Area::Plugin, grants.now());
        let request = ListRequest { space, area, prefix, after: cursor, limit, bytes_max, keys_only: false, now };
        let page = grants.store.list(request).await.map_err(refused)?;
        let cursor = page.items.last().filter(|_| page.more).map(|item| item.key.clone());
        let items = self.answer(page.items.into_iter().map(Some).collect())?;
        Ok(Page { items: items.into_iter().flatten().collect(), cursor })
    }

    async fn commit(&mut self, ops: Vec<Op>) -> Result<Committed, Refusal> {
        let (commit, places) = self.commit_of(ops).map_err(Refusal::Other)?;
        let store = Arc::clone(&self.store().map_err(Refusal::Other)?.store);
        let committed = store.commit(commit).await.map_err(|error| places.refusal(error))?;
        Ok(Committed {
            version: committed.version,
            sums: committed.sums,
            jobs: committed.jobs.into_iter().map(inserted).collect(),
        })
    }
}

pub(super) fn inserted(job: skep_store::Inserted) -> Inserted {
    Inserted { id: job.id.0, was_there: job.was_there }
}

fn to_guest(item: Item) -> store::Item {
    store::Item { key: item.key, value: item.value.into(), version: item.version, expires: item.expires }
}

/// What a guest is told of the store's word.
pub(super) fn refused(error: skep_store::Error) -> Error {
    match error {
        skep_store::Error::Invalid(why) => Error::Invalid(why),
        skep_store::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_store::Error::Quota(_) => Error::Full,
        skep_store::Error::Busy => Error::Unavailable("the store has too much to do".to_owned()),
        skep_store::Error::NotFound => Error::NotFound,
        skep_store::Error::OutcomeUnknown => Error::OutcomeUnknown,
        other => Error::Unavailable(other.to_string()),
    }
}
