//! Dead letters, over the wire: messages whose subscriber failed for good.

use serde::{Deserialize, Serialize};

use super::ValueText;

/// The most bytes of a dead letter's data that are shown.
pub const PREVIEW_BYTES_MAX: usize = 256;

/// A message that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Whose subscription.
    pub plugin: String,
    /// Its name there.
    pub subscription: String,
    /// When it was set aside, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Where the message was published, as `PLUGIN/TOPIC`.
    pub topic: String,
    /// What happened, as the message says.
    pub event: Option<String>,
    /// Its id in the topic's log, if there is one.
    pub id: Option<u64>,
    /// How the last attempt failed.
    pub reason: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// The length of its data.
    pub bytes: u64,
    /// How its data begins.
    pub preview: ValueText,
}

impl DeadLetter {
    /// How data begins: at most [`PREVIEW_BYTES_MAX`] bytes; a text stays one.
    #[must_use]
    pub fn preview(data: &[u8]) -> ValueText {
        ValueText::preview(data, PREVIEW_BYTES_MAX)
    }
}

/// What came of giving dead letters to their subscription once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Letters that are on their way again.
    pub retried: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_short_and_a_text_stays_one() {
        assert_eq!(DeadLetter::preview(b"{}"), ValueText::Text("{}".to_owned()));
        let long = format!("x{}", "\u{fc}".repeat(PREVIEW_BYTES_MAX));
        let ValueText::Text(text) = DeadLetter::preview(long.as_bytes()) else { panic!("it is a text") };
        assert_eq!(text.len(), PREVIEW_BYTES_MAX - 1);
        let ValueText::Hex(digits) = DeadLetter::preview(&[0xff; 999]) else { panic!("it is none") };
        assert_eq!(digits.len(), 2 * PREVIEW_BYTES_MAX);
    }
}
