//! The supervision bus as the admin listener follows it.

use std::time::UNIX_EPOCH;

use futures_util::{StreamExt as _, stream};
use skep_admin::Lines;
use skep_admin::api::{EventStatus, Line};
use skep_supervision::{Bus, Event, Lagged};

fn event_status(event: &Event) -> EventStatus {
    let at = event.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    EventStatus {
        sequence: event.sequence,
        at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        path: event.path.to_string(),
        what: event.kind.to_string(),
    }
}

pub(super) fn lines(bus: &Bus, after: Option<u64>, follow: bool) -> Lines<EventStatus> {
    // Before what is kept is read, so that nothing is missing in between; what comes twice is left out.
    let live = bus.subscribe();
    let from = after.map_or(0, |after| after.saturating_add(1));
    let kept = bus.since(from);
    let gap = after.filter(|_| kept.first().is_some_and(|first| first.sequence > from));
    let gap = gap.map(|gap_after| Line::Gap { gap_after });
    let next = kept.last().map_or(0, |last| last.sequence + 1);
    let kept: Vec<_> = kept.iter().map(|event| Line::Item(event_status(event))).collect();
    let lines = stream::iter(gap).chain(stream::iter(kept));
    if !follow {
        return Box::pin(lines);
    }
    let live = stream::unfold(live, move |mut live| async move {
        loop {
            match live.next().await {
                Ok(event) if event.sequence < next => {}
                Ok(event) => return Some((Line::Item(event_status(&event)), live)),
                Err(Lagged { missed }) => return Some((Line::Missed { missed }, live)),
            }
        }
    });
    Box::pin(lines.chain(live))
}

#[cfg(test)]
mod tests {
    use skep_supervision::EventKind;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_comes_before_what_is_new_and_nothing_twice() {
        let bus = Bus::default();
        let publish = |times: usize| {
            for _ in 0..times {
                bus.publish(UNIX_EPOCH, "host/shop".into(), EventKind::Started);
            }
        };
        publish(3);
        let mut followed = lines(&bus, Some(0), true);
        publish(1);
        for sequence in 1..4 {
            let Some(Line::Item(event)) = followed.next().await else { panic!("no event {sequence}") };
            assert_eq!((event.sequence, event.what.as_str()), (sequence, "started"));
        }
        assert_eq!(lines(&bus, None, false).count().await, 4);
        // As after a restart, whose numbers begin anew.
        let mut ahead = lines(&bus, Some(900), true);
        publish(2000);
        assert!(matches!(ahead.next().await, Some(Line::Missed { .. })));
        assert_eq!(lines(&bus, Some(1), false).next().await, Some(Line::Gap { gap_after: 1 }));
    }
}
