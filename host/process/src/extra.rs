//! What the engine keeps of a process beside its state: timers, subscriptions, monitors, links. As bytes that only it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use skep_store::Timestamp;

use crate::address::Pid;
use crate::alarms::Alarm;
use crate::behaviour::{MonitorRef, TimerId};
use crate::cell::{Cell, Wishes};
use crate::core::Core;
use crate::rare::{Monitor, Timer};
use crate::time::Time;

/// The first byte: another one is of a later host.
const FORMAT: u8 = 1;

/// What was kept.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Extra {
    pub(crate) last_ref: u64,
    pub(crate) traps_exits: bool,
    pub(crate) timers: Vec<Kept>,
    pub(crate) monitors: Vec<(MonitorRef, Pid)>,
    pub(crate) links: Vec<Pid>,
    pub(crate) subscriptions: Vec<Arc<str>>,
}

/// A timer, by the wall clock.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) id: TimerId,
    pub(crate) due: Timestamp,
    /// In nanoseconds; 0: once.
    pub(crate) interval: u64,
    pub(crate) message: Bytes,
}

impl Cell {
    /// What is to be kept beside its state, and when it has something to do.
    pub(crate) fn extra(&self, time: &Time) -> (Bytes, Option<Timestamp>) {
        let state = self.lock();
        let Some(rare) = state.rare.as_deref().filter(|rare| {
            rare.last_ref > 0 || rare.traps_exits || !rare.links.is_empty() || !rare.subscriptions.is_empty()
        }) else {
            return (Bytes::new(), None);
        };
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_u64(rare.last_ref);
        out.put_u8(u8::from(rare.traps_exits));
        out.put_u32(rare.timers.len() as u32);
        let mut wake_at = None;
        for (id, timer) in &rare.timers {
            let due = time.wall_of(timer.due);
            wake_at = Some(wake_at.map_or(due, |first: Timestamp| first.min(due)));
            out.put_u64(id.0);
            out.put_u64(due);
            out.put_u64(timer.interval);
            put(&mut out, &timer.message);
        }
        out.put_u32(rare.monitors.len() as u32);
        for (id, monitor) in &rare.monitors {
            out.put_u64(id.0);
            put(&mut out, monitor.pid.to_string().as_bytes());
        }
        out.put_u32(rare.links.len() as u32);
        for pid in rare.links.values() {
            put(&mut out, pid.to_string().as_bytes());
        }
        out.put_u32(rare.subscriptions.len() as u32);
        for topic in &rare.subscriptions {
            put(&mut out, topic.as_bytes());
        }
        (out.freeze(), wake_at)
    }
}

fn put(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

/// Reads what [`Cell::extra`] wrote. What is broken ends the reading: it is better to lose a timer than a process.
struct Reader(Bytes);

impl Reader {
    fn u8(&mut self) -> Option<u8> {
        use bytes::Buf as _;
        self.0.try_get_u8().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        use bytes::Buf as _;
        self.0.try_get_u32().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        use bytes::Buf as _;
        self.0.try_get_u64().ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let len = self.u32()? as usize;
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

impl Extra {
    pub(crate) fn read(bytes: &Bytes) -> Self {
        let mut extra = Self::default();
        let mut reader = Reader(bytes.clone());
        if extra.fill(&mut reader).is_none() && !bytes.is_empty() {
            tracing::warn!("what is kept beside a process's state is not complete");
        }
        extra
    }

    fn fill(&mut self, reader: &mut Reader) -> Option<()> {
        if reader.u8()? != FORMAT {
            return None;
        }
        self.last_ref = reader.u64()?;
        self.traps_exits = reader.u8()? != 0;
        for _ in 0..reader.u32()? {
            let (id, due, interval) = (TimerId(reader.u64()?), reader.u64()?, reader.u64()?);
            self.timers.push(Kept { id, due, interval, message: reader.bytes()? });
        }
        for _ in 0..reader.u32()? {
            let id = MonitorRef(reader.u64()?);
            self.monitors.push((id, reader.text()?.parse().ok()?));
        }
        for _ in 0..reader.u32()? {
            self.links.push(reader.text()?.parse().ok()?);
        }
        for _ in 0..reader.u32()? {
            self.subscriptions.push(reader.text()?.into());
        }
        Some(())
    }
}

impl Core {
    /// Makes timers and the like what was kept: those of a turn that was not committed go, those that it took away come back.
    pub(crate) fn put_extra(self: &Arc<Self>, cell: &Arc<Cell>, extra: &Extra) {
        let mut gone = Vec::new();
        let (mut subscribe, mut unsubscribe) = (Vec::new(), Vec::new());
        {
            let mut state = cell.lock();
            let rare = state.rare();
            rare.changed = false;
            rare.traps_exits = extra.traps_exits;
            rare.last_ref = rare.last_ref.max(extra.last_ref);
            let mut had = std::mem::take(&mut rare.timers);
            for kept in &extra.timers {
                let due = self.time.of_wall(kept.due);
                let new =
                    Timer { message: kept.message.clone(), interval: kept.interval, due, fired: false, by_init: false };
                let old = had.remove(&kept.id);
                // What is in the mailbox stays there, and what is set stays set.
                let timer = old.filter(|old| old.fired || kept.interval == 0 || old.due >= due).unwrap_or_else(|| {
                    self.alarms.set(due, cell, Alarm::Timer(kept.id));
                    new
                });
                rare.timers.insert(kept.id, timer);
            }
            for (id, timer) in had {
                self.alarms.clear(timer.due, cell, Alarm::Timer(id));
            }
            let mut had = std::mem::take(&mut rare.monitors);
            for (id, pid) in &extra.monitors {
                let monitor = had.remove(id);
                let new = || Monitor { pid: pid.clone(), fired: false, by_init: false };
                rare.monitors.insert(*id, monitor.unwrap_or_else(new));
            }
            gone.extend(had.into_iter().filter(|(_, monitor)| !monitor.fired));
            let had: BTreeMap<_, _> = std::mem::take(&mut rare.links);
            rare.links = extra.links.iter().map(|pid| (pid.number, pid.clone())).collect();
            // One that was linked by the other side is so without a commit of this one.
            rare.links.extend(had);
            let had = std::mem::take(&mut rare.subscriptions);
            rare.subscriptions = extra.subscriptions.iter().cloned().collect();
            subscribe.extend(rare.subscriptions.difference(&had).cloned());
            unsubscribe.extend(had.difference(&rare.subscriptions).cloned());
            if !rare.monitors.is_empty() || !rare.links.is_empty() {
                state.wishes.add(Wishes::TIES);
            }
        }
        for (id, monitor) in gone {
            self.unwatch(&monitor.pid, cell, id);
        }
        let pid = cell.pid();
        for topic in unsubscribe {
            self.options.topics.unsubscribe(&pid, &topic);
        }
        for topic in subscribe {
            if let Err(error) = self.options.topics.subscribe(&pid, &topic) {
                tracing::warn!(%pid, %topic, %error, "a process that is back cannot subscribe again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_read_as_far_as_it_goes() {
        for garbage in [&b""[..], b"\x02", b"\x01\0\0", &[1; 64], &[255; 40]] {
            let _ = Extra::read(&Bytes::copy_from_slice(garbage));
        }
        assert_eq!(Extra::read(&Bytes::new()), Extra::default());
    }
}
