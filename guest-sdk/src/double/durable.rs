//! `skep:plugin/store` with the functions that wit-bindgen generates, over memory.

use std::{collections::BTreeMap, ops::Bound};

use super::{WORLD, World, jobs::Jobs, processes, pubsub};
pub(crate) use crate::__private::bindings::imports::skep::plugin::store::{
    Check, Committed, Item, Mail, Message, Op, Page, Place, Refusal, Set, Sum,
};
use crate::__private::bindings::imports::skep::plugin::types::Error;

/// As in the host.
const KEY_BYTES_MAX: usize = 1024;
const PAGE_ITEMS_MAX: u32 = 1000;
const OPS_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct Durable {
    /// The commit that was last.
    version: u64,
    /// By whose they are, none for the plugin's own.
    spaces: BTreeMap<Option<String>, Items>,
    rules: BTreeMap<String, Rules>,
    /// How the next commit fails.
    failing: Option<Error>,
}

/// What the manifest would say of another plugin's data.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) read_only: bool,
    pub(crate) denied: bool,
}

type Items = BTreeMap<String, Slot>;

#[derive(Clone)]
struct Slot {
    value: Vec<u8>,
    version: u64,
    expires: Option<u64>,
}

impl Slot {
    fn is_live(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Durable {
    fn rules(&self, space: Option<&str>) -> Result<Rules, Error> {
        let rules = space.and_then(|space| self.rules.get(space)).copied().unwrap_or_default();
        if rules.denied {
            let space = space.unwrap_or_default();
            return Err(Error::Denied(format!(
                "the manifest does not grant it: `grants.store = {{ {space} = \"read\" }}`"
            )));
        }
        Ok(rules)
    }

    fn get(&self, space: Option<&str>, key: &str, now: u64) -> Result<Option<Item>, Error> {
        self.rules(space)?;
        check_key(key)?;
        let slot = self.spaces.get(&space.map(str::to_owned)).and_then(|items| items.get(key));
        Ok(slot.filter(|slot| slot.is_live(now)).map(|slot| item(key, slot)))
    }
}

fn item(key: &str, slot: &Slot) -> Item {
    Item { key: key.to_owned(), value: slot.value.clone(), version: slot.version, expires: slot.expires }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains(char::is_control) {
        return Err(Error::Invalid(format!("a key has 1 to {KEY_BYTES_MAX} bytes without control characters")));
    }
    Ok(())
}

/// Changes what the manifest would say of another plugin's data.
pub(crate) fn configure(space: &str, change: impl FnOnce(&mut Rules)) {
    WORLD.with_borrow_mut(|world| change(world.durable.rules.entry(space.to_owned()).or_default()));
}

/// Has the next commit fail.
pub(crate) fn fail(error: Error) {
    WORLD.with_borrow_mut(|world| world.durable.failing = Some(error));
}

/// How a commit fails now, if somebody said so; asked once.
pub(super) fn failing(world: &mut World) -> Result<(), Error> {
    world.durable.failing.take().map_or(Ok(()), Err)
}

pub(crate) fn get(space: Option<&str>, key: &str) -> Result<Option<Item>, Error> {
    WORLD.with_borrow(|world| world.durable.get(space, key, world.timestamp()))
}

pub(crate) fn get_many(space: Option<&str>, keys: &[String]) -> Result<Vec<Option<Item>>, Error> {
    keys.iter().map(|key| get(space, key)).collect()
}

pub(crate) fn list(space: Option<&str>, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
    let limit = if limit == 0 { PAGE_ITEMS_MAX } else { limit.min(PAGE_ITEMS_MAX) } as usize;
    WORLD.with_borrow(|world| {
        world.durable.rules(space)?;
        let now = world.timestamp();
        let Some(items) = world.durable.spaces.get(&space.map(str::to_owned)) else {
            return Ok(Page { items: Vec::new(), cursor: None });
        };
        let from = cursor.map_or(Bound::Included(prefix), Bound::Excluded);
        let found = items.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        let mut found = found.filter(|(_, slot)| slot.is_live(now)).map(|(key, slot)| item(key, slot));
        let items: Vec<_> = found.by_ref().take(limit).collect();
        let cursor = found.next().and_then(|_| items.last().map(|item| item.key.clone()));
        Ok(Page { items, cursor })
    })
}

pub(crate) fn commit(ops: &[Op]) -> Result<Committed, Refusal> {
    let committed = carry_out(ops)?;
    processes::settle();
    Ok(committed)
}

fn carry_out(ops: &[Op]) -> Result<Committed, Refusal> {
    WORLD.with_borrow_mut(|world| {
        failing(world).map_err(Refusal::Other)?;
        if ops.len() > OPS_MAX {
            return Err(Refusal::Other(Error::TooLarge(OPS_MAX as u64)));
        }
        let now = world.timestamp();
        check(world, ops, now)?;
        let mut draft = Draft {
            version: world.durable.version + 1,
            spaces: world.durable.spaces.clone(),
            jobs: world.jobs.clone(),
            now,
            sums: Vec::new(),
        };
        draft.write(ops).map_err(Refusal::Other)?;
        let inserted = draft.enqueue(ops)?;
        for op in ops {
            if let Op::Publish(message) = op {
                let event = message.event.as_deref();
                pubsub::check(&world.pubsub, &message.topic, event).map_err(Refusal::Other)?;
            }
        }
        world.durable.version = draft.version;
        world.durable.spaces = draft.spaces;
        world.jobs = draft.jobs;
        for op in ops {
            match op {
                Op::Publish(Message { topic, event, data }) => {
                    let sent = pubsub::send(world, topic, event.as_deref(), data, pubsub::Delivery::empty());
                    sent.map_err(Refusal::Other)?;
                }
                Op::Send(mail) => processes::post(world, mail),
                _ => {}
            }
        }
        Ok(Committed { version: draft.version, sums: draft.sums, jobs: inserted })
    })
}

/// All that may keep a commit from being carried out, apart from its jobs and sums.
fn check(world: &World, ops: &[Op], now: u64) -> Result<(), Refusal> {
    for (place, op) in (0_u32..).zip(ops) {
        let (at, writes) = match op {
            Op::Check(check) => (&check.at, false),
            Op::Set(set) => (&set.at, true),
            Op::Delete(at) => (at, true),
            Op::Sum(sum) => (&sum.at, true),
            Op::Enqueue(_) | Op::Publish(_) | Op::Send(_) => continue,
        };
        let space = at.space.as_deref();
        let there = world.durable.get(space, &at.key, now).map_err(Refusal::Other)?;
        if writes && world.durable.rules(space).map_err(Refusal::Other)?.read_only {
            let text = format!("the data of `{}` is granted for reading", space.unwrap_or_default());
            return Err(Refusal::Other(Error::Denied(text)));
        }
        if let Op::Check(check) = op
            && check.version != there.map(|item| item.version)
        {
            return Err(Refusal::Conflict(place));
        }
    }
    Ok(())
}

/// The world as it is if the commit succeeds.
struct Draft {
    version: u64,
    spaces: BTreeMap<Option<String>, Items>,
    jobs: Jobs,
    now: u64,
    sums: Vec<i64>,
}

impl Draft {
    fn write(&mut self, ops: &[Op]) -> Result<(), Error> {
        let (version, now) = (self.version, self.now);
        for op in ops {
            match op {
                Op::Set(Set { at, value, expires }) => {
                    let slot = Slot { value: value.clone(), version, expires: *expires };
                    self.items(at).insert(at.key.clone(), slot);
                }
                Op::Delete(at) => {
                    self.items(at).remove(&at.key);
                }
                Op::Sum(Sum { at, by }) => {
                    let old = self.items(at).get(&at.key).filter(|slot| slot.is_live(now));
                    let (before, expires) = match old {
                        Some(slot) => (super::cache::number(&slot.value)?, slot.expires),
                        None => (0, None),
                    };
                    let sum = before.checked_add(*by);
                    let sum = sum.ok_or_else(|| Error::Invalid("the sum would pass 64 bits".into()))?;
                    let slot = Slot { value: sum.to_string().into_bytes(), version, expires };
                    self.items(at).insert(at.key.clone(), slot);
                    self.sums.push(sum);
                }
                Op::Check(Check { .. }) | Op::Enqueue(_) | Op::Publish(_) | Op::Send(_) => {}
            }
        }
        Ok(())
    }

    fn items(&mut self, at: &Place) -> &mut Items {
        self.spaces.entry(at.space.clone()).or_default()
    }

    fn enqueue(&mut self, ops: &[Op]) -> Result<Vec<super::jobs::Inserted>, Refusal> {
        let mut inserted = Vec::new();
        for (place, op) in (0_u32..).zip(ops) {
            let Op::Enqueue(job) = op else { continue };
            let new = self.jobs.insert(job, &inserted, self.now);
            inserted.push(new.map_err(|error| match error {
                Error::Conflict => Refusal::Duplicate(place),
                error => Refusal::Other(error),
            })?);
        }
        Ok(inserted)
    }
}
