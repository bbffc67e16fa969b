//! `skep events`: what happened in the supervision tree.

use skep_admin::api::{EventStatus, Line};

use super::operate::client;
use super::output::{follow, follow_json, one_line};
use super::time::moment;
use crate::cli::Events;

pub(crate) async fn run(args: Events) -> anyhow::Result<()> {
    let client = client(&args.node.dir)?;
    let each = |line: Line<EventStatus>| if args.json { follow_json(&line) } else { follow(&event_line(&line)) };
    client.events(args.after, args.follow, each).await
}

fn event_line(line: &Line<EventStatus>) -> String {
    match line {
        Line::Missed { missed } => format!("-- missed {missed}"),
        Line::Gap { gap_after } => format!("-- behind {gap_after} some may be missing: they are not kept"),
        Line::Item(event) => {
            let (path, what) = (one_line(&event.path), one_line(&event.what));
            format!("{} {} {path} {what}", event.sequence, moment(event.at_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event =
            EventStatus { sequence: 7, at_ms: 250, path: "host/shop".to_owned(), what: "exited: a\nb".to_owned() };
        assert_eq!(event_line(&Line::Item(event)), "7 1970-01-01T00:00:00.250Z host/shop exited: a\\nb");
        assert_eq!(event_line(&Line::Missed { missed: 5 }), "-- missed 5");
    }
}
