//! `skep:plugin/presence` with the functions that wit-bindgen generates, over memory. Diffs are not published.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{WORLD, World};
pub(crate) use crate::__private::bindings::imports::skep::plugin::presence::{Member, Meta, Page};
use crate::__private::bindings::imports::skep::plugin::types::Error;

/// As in the host.
const KEY_BYTES_MAX: usize = 255;
const DATA_BYTES_MAX: usize = 4 * 1024;
const PAGE_MEMBERS_MAX: u32 = 1000;

#[derive(Default)]
pub(crate) struct Presence {
    owners: BTreeSet<String>,
    topics: BTreeMap<String, Keys>,
}

/// Who is there, with the owner of each presence.
type Keys = BTreeMap<String, BTreeMap<String, Meta>>;

/// Something that presences live with.
pub(crate) fn begin() -> String {
    WORLD.with_borrow_mut(|world| {
        let owner = format!("stream-{}", world.number());
        own(world, &owner);
        owner
    })
}

/// A process, or a stream.
pub(super) fn own(world: &mut World, owner: &str) {
    world.presence.owners.insert(owner.to_owned());
}

/// Its end, and that of all its presences.
pub(crate) fn end(owner: &str) {
    WORLD.with_borrow_mut(|world| disown(world, owner));
}

pub(super) fn disown(world: &mut World, owner: &str) {
    world.presence.owners.remove(owner);
    for keys in world.presence.topics.values_mut() {
        keys.retain(|_, metas| {
            metas.remove(owner);
            !metas.is_empty()
        });
    }
}

fn check(world: &World, topic: &str, key: &str, data: &[u8]) -> Result<(), Error> {
    world.pubsub.rules(topic)?;
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::Invalid(format!("a key has at most {KEY_BYTES_MAX} bytes")));
    }
    if data.len() > DATA_BYTES_MAX {
        return Err(Error::TooLarge(DATA_BYTES_MAX as u64));
    }
    Ok(())
}

pub(crate) fn track(owner: &str, topic: &str, key: &str, data: &[u8]) -> Result<String, Error> {
    WORLD.with_borrow_mut(|world| {
        check(world, topic, key, data)?;
        let ref_ = world.number().to_string();
        if !world.presence.owners.contains(owner) {
            return Err(Error::NotFound);
        }
        let metas = world.presence.topics.entry(topic.to_owned()).or_default().entry(key.to_owned()).or_default();
        if metas.contains_key(owner) {
            return Err(Error::Conflict);
        }
        metas.insert(owner.to_owned(), Meta { ref_: ref_.clone(), previous: None, data: data.to_owned() });
        Ok(ref_)
    })
}

pub(crate) fn update(owner: &str, topic: &str, key: &str, data: &[u8]) -> Result<String, Error> {
    WORLD.with_borrow_mut(|world| {
        check(world, topic, key, data)?;
        let ref_ = world.number().to_string();
        let keys = world.presence.topics.get_mut(topic).ok_or(Error::NotFound)?;
        let meta = keys.get_mut(key).and_then(|metas| metas.get_mut(owner)).ok_or(Error::NotFound)?;
        let previous = Some(std::mem::replace(&mut meta.ref_, ref_.clone()));
        *meta = Meta { ref_: ref_.clone(), previous, data: data.to_owned() };
        Ok(ref_)
    })
}

pub(crate) fn untrack(owner: &str, topic: &str, key: &str) -> Result<bool, Error> {
    WORLD.with_borrow_mut(|world| {
        world.pubsub.rules(topic)?;
        let Some(keys) = world.presence.topics.get_mut(topic) else { return Ok(false) };
        let Some(metas) = keys.get_mut(key) else { return Ok(false) };
        let was = metas.remove(owner).is_some();
        if metas.is_empty() {
            keys.remove(key);
        }
        Ok(was)
    })
}

/// Runs over who is there.
fn look<R>(topic: &str, run: impl FnOnce(&Keys) -> R) -> Result<R, Error> {
    WORLD.with_borrow(|world| {
        world.pubsub.rules(topic)?;
        Ok(run(world.presence.topics.get(topic).unwrap_or(&Keys::new())))
    })
}

fn member((key, metas): (&String, &BTreeMap<String, Meta>)) -> Member {
    Member { key: key.clone(), metas: metas.values().cloned().collect() }
}

pub(crate) fn list(topic: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
    let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
    look(topic, |keys| {
        let rest = keys.range::<str, _>((from, Bound::Unbounded));
        let members: Vec<_> = rest.take(limit.min(PAGE_MEMBERS_MAX) as usize).map(member).collect();
        Page { cursor: members.last().map(|member| member.key.clone()), members }
    })
}

pub(crate) fn get(topic: &str, key: &str) -> Result<Option<Member>, Error> {
    look(topic, |keys| keys.get_key_value(key).map(member))
}

pub(crate) fn count(topic: &str) -> Result<u64, Error> {
    look(topic, |keys| keys.len() as u64)
}
