//! What is said, taken apart.

use serde::{Deserialize, Serialize};
use skep_sdk::{
    prelude::*,
    process::{CallError, Pid, Target},
};

/// What every kind is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) from: u64,
    /// Said to it first; nothing without a text.
    #[serde(default)]
    pub(crate) say: String,
}

/// `NAME`, `PLUGIN/NAME` or `pid:PID`.
pub(crate) fn target(to: &str) -> Target {
    match (to.strip_prefix("pid:"), to.split_once('/')) {
        (Some(pid), _) => Pid::new(pid).into(),
        (None, Some(other)) => other.into(),
        (None, None) => to.into(),
    }
}

/// A word, and what is behind it.
pub(crate) fn two(text: &str) -> Result<(&str, &str)> {
    text.split_once(' ').context(format!("reading two words in `{text}`"))
}

/// The same, of which the rest may be nothing.
pub(crate) fn first(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// A number, 1 without one.
pub(crate) fn number(text: &str) -> Result<u64> {
    if text.is_empty() { Ok(1) } else { text.parse().context(format!("reading the number `{text}`")) }
}

/// The variant and its text.
pub(crate) fn shown(error: &CallError) -> String {
    match error {
        CallError::NotFound(_) => "NotFound".to_owned(),
        CallError::Timeout(_, doing) => format!("Timeout {doing}"),
        CallError::Crashed(_, reason) => format!("Crashed {reason}"),
        CallError::Failed(_, why) => format!("Failed {why}"),
        CallError::Full(_) => "Full".to_owned(),
        CallError::Conflict(_) => "Conflict".to_owned(),
        error => error.to_string(),
    }
}
