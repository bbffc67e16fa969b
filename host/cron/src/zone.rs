//! From local times to moments.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp as Moment};

use super::{Cron, pattern};

/// How many changes of a zone's offset a search passes at most: two a year until the calendar ends, and some.
const CHANGES_MAX: usize = 10_000;

pub(super) fn moment(time: u64) -> Option<Moment> {
    i64::try_from(time).ok().and_then(|time| Moment::from_millisecond(time).ok())
}

/// Local times that are taken once, in their order: the moments of them never go back.
impl Cron {
    pub(super) fn next_local(&self, after: Moment) -> Option<Moment> {
        let mut local = pattern::next(&self.pattern, self.zone.to_datetime(after), true)?;
        // In the second of two hours of the same name, those of the first one lie behind.
        loop {
            let at = taken(&self.zone, local)?;
            if at > after {
                return Some(at);
            }
            local = pattern::next(&self.pattern, local, false)?;
        }
    }

    pub(super) fn last_local(&self, until: Moment) -> Option<Moment> {
        let mut from = self.zone.to_datetime(until);
        if let AmbiguousOffset::Fold { before, after } = self.zone.to_ambiguous_timestamp(from).offset()
            && self.zone.to_offset(until) == after
        {
            // In the second hour, all of the first one has passed.
            let hour = before.seconds().saturating_sub(after.seconds());
            from = from.checked_add(SignedDuration::from_secs(i64::from(hour))).ok()?;
        }
        let mut local = pattern::last(&self.pattern, from)?;
        loop {
            let at = taken(&self.zone, local)?;
            if at <= until {
                return Some(at);
            }
            let before = local.checked_sub(SignedDuration::from_secs(1)).ok()?;
            local = pattern::last(&self.pattern, before)?;
        }
    }
}

/// When a local time is taken.
fn taken(zone: &TimeZone, local: DateTime) -> Option<Moment> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the offset that comes, a time that is left out lies before the change.
            let before = after.to_timestamp(local).ok()?;
            zone.following(before).next().map(|change| change.timestamp())
        }
    }
}

/// Time that passes: between two changes of the zone's offset, local times and moments go the same way.
impl Cron {
    pub(super) fn next_passing(&self, after: Moment) -> Option<Moment> {
        let (mut from, mut inclusive) = (after, false);
        let mut changes = self.zone.following(after);
        for _ in 0..CHANGES_MAX {
            let offset = self.zone.to_offset(from);
            let local = pattern::next(&self.pattern, offset.to_datetime(from), inclusive)?;
            let at = offset.to_timestamp(local).ok()?;
            match changes.next() {
                Some(change) if at >= change.timestamp() => (from, inclusive) = (change.timestamp(), true),
                _ => return Some(at),
            }
        }
        None
    }

    pub(super) fn last_passing(&self, until: Moment) -> Option<Moment> {
        let second = SignedDuration::from_secs(1);
        let mut from = until;
        let mut changes = self.zone.preceding(until.checked_add(second).ok()?);
        for _ in 0..CHANGES_MAX {
            let offset = self.zone.to_offset(from);
            let local = pattern::last(&self.pattern, offset.to_datetime(from))?;
            let at = offset.to_timestamp(local).ok()?;
            match changes.find(|change| change.timestamp() <= from) {
                Some(change) if at < change.timestamp() => from = change.timestamp().checked_sub(second).ok()?,
                _ => return Some(at),
            }
        }
        None
    }
}
