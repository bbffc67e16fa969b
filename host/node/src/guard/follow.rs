//! The log lines of what happened: one for each event, written here and nowhere else.

use skep_supervision::{Bus, Event, EventKind, Lagged};
use tokio_util::task::AbortOnDropHandle;

/// Writes a line for every event of the bus from now on, until the handle is dropped.
pub(crate) fn follow(bus: &Bus) -> AbortOnDropHandle<()> {
    let mut events = bus.subscribe();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match events.next().await {
                Ok(event) => write(&event),
                Err(Lagged { missed }) => tracing::warn!(missed, "events came faster than they could be logged"),
            }
        }
    }))
}

fn write(event: &Event) {
    let Event { sequence, path, kind, .. } = event;
    match kind {
        EventKind::RolledBack { .. } | EventKind::GaveUp { .. } => {
            tracing::error!(event = sequence, %path, "{event}");
        }
        EventKind::StartFailed { .. }
        | EventKind::Exited { .. }
        | EventKind::IntensityExceeded
        | EventKind::BackingOff { .. }
        | EventKind::BreakerOpened { .. }
        | EventKind::DeadLetter { .. } => {
            tracing::warn!(event = sequence, %path, "{event}");
        }
        _ => tracing::info!(event = sequence, %path, "{event}"),
    }
}
