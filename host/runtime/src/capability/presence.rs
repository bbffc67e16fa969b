//! `skep:plugin/presence`: the guest's side of the entries in `skep-presence`.

use skep_bindings::presence::{self, Member, Meta, Page};
use skep_bindings::types::Error;

use super::topics::Direction;
use crate::state::CallState;

impl CallState {
    /// The owner that a guest names, if it is this plugin's: its streams are called `plugin/stream-id`, and its processes by
    /// their pids.
    fn owner<'a>(&self, owner: &'a str) -> Result<&'a str, Error> {
        self.stats.owe(owner.len());
        let own = owner.split_once('/').is_some_and(|(plugin, _)| plugin == self.stats.plugin().as_str());
        if own { Ok(owner) } else { Err(Error::NotFound) }
    }

    /// Members on their way to the guest, if they are not more than one answer may have.
    fn members(&self, members: &[skep_presence::Member]) -> Result<Vec<Member>, Error> {
        let meta_bytes = |meta: &skep_presence::Meta| meta.data().len() + 32;
        let member_bytes =
            |member: &skep_presence::Member| member.key.len() + member.metas.iter().map(meta_bytes).sum::<usize>();
        let bytes = members.iter().map(member_bytes).sum();
        if bytes > self.env.answer_bytes_max {
            return Err(Error::TooLarge(self.env.answer_bytes_max as u64));
        }
        self.stats.owe(bytes);
        Ok(members.iter().map(to_guest).collect())
    }
}

impl presence::Host for CallState {
    fn track(&mut self, owner: String, topic: String, key: String, data: Vec<u8>) -> Result<String, Error> {
        self.stats.owe(key.len() + data.len());
        let topic = self.topic(&topic, Direction::Publish)?;
        self.own_presences(&owner);
        let id = self.env.topics.presence.track(self.owner(&owner)?, &topic, &key, &data).map_err(refused)?;
        Ok(id.to_string())
    }

    fn update(&mut self, owner: String, topic: String, key: String, data: Vec<u8>) -> Result<String, Error> {
        self.stats.owe(key.len() + data.len());
        let topic = self.topic(&topic, Direction::Publish)?;
        let id = self.env.topics.presence.update(self.owner(&owner)?, &topic, &key, &data).map_err(refused)?;
        Ok(id.to_string())
    }

    fn untrack(&mut self, owner: String, topic: String, key: String) -> Result<bool, Error> {
        self.stats.owe(key.len());
        let topic = self.topic(&topic, Direction::Publish)?;
        Ok(self.env.topics.presence.untrack(self.owner(&owner)?, &topic, &key))
    }

    fn list(&mut self, topic: String, cursor: Option<String>, limit: u32) -> Result<Page, Error> {
        let topic = self.topic(&topic, Direction::Subscribe)?;
        let page = self.env.topics.presence.list(&topic, cursor.as_deref(), limit as usize);
        Ok(Page { members: self.members(&page.members)?, cursor: page.cursor.map(|cursor| cursor.to_string()) })
    }

    fn get(&mut self, topic: String, key: String) -> Result<Option<Member>, Error> {
        self.stats.owe(key.len());
        let topic = self.topic(&topic, Direction::Subscribe)?;
        let member = self.env.topics.presence.get(&topic, &key);
        Ok(self.members(member.as_slice())?.pop())
    }

    fn count(&mut self, topic: String) -> Result<u64, Error> {
        let topic = self.topic(&topic, Direction::Subscribe)?;
        Ok(self.env.topics.presence.count(&topic))
    }
}

fn to_guest(member: &skep_presence::Member) -> Member {
    let metas = member.metas.iter().map(|meta| Meta {
        ref_: meta.id().to_string(),
        previous: meta.previous().map(|id| id.to_string()),
        data: meta.data().as_bytes().to_vec(),
    });
    Member { key: member.key.to_string(), metas: metas.collect() }
}

/// What a guest is told of the engine's word.
fn refused(error: skep_presence::Error) -> Error {
    match error {
        skep_presence::Error::NoOwner | skep_presence::Error::NotTracked => Error::NotFound,
        skep_presence::Error::AlreadyTracked | skep_presence::Error::OwnerTaken => Error::Conflict,
        skep_presence::Error::Full(_) => Error::Full,
        skep_presence::Error::TooLarge(_, limit) => Error::TooLarge(limit as u64),
        skep_presence::Error::Invalid(why) => Error::Invalid(why.to_owned()),
        other => Error::Unavailable(other.to_string()),
    }
}
