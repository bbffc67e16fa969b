//! What is followed: one JSON object a line, as it comes.

use serde::{Deserialize, Serialize};

/// A line of what is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line<T> {
    /// Here so many are missing: the follower was too slow for its queue.
    Missed {
        /// How many.
        missed: u64,
    },
    /// Here some may be missing: what the follower wants to go on behind is not kept any more, or never was.
    Gap {
        /// Behind which number.
        gap_after: u64,
    },
    /// What is followed.
    Item(T),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EventStatus;

    #[test]
    fn lines_are_told_apart_by_what_they_have() {
        let event = EventStatus { sequence: 7, at_ms: 1, path: "host/shop".to_owned(), what: "started".to_owned() };
        for (line, text) in [
            (Line::Missed { missed: 3 }, r#"{"missed":3}"#),
            (Line::Gap { gap_after: 9 }, r#"{"gap_after":9}"#),
            (Line::Item(event), r#"{"sequence":7,"at_ms":1,"path":"host/shop","what":"started"}"#),
        ] {
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            assert_eq!(serde_json::from_str::<Line<EventStatus>>(text).unwrap(), line);
        }
    }
}
