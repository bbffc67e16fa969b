//! How answers are written: JSON for programs, text for people.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::Write as _;
use std::ops::ControlFlow;

use serde::Serialize;

pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// So many of something, in words: `1 entry`, `2 entries`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Writes a line of something that is followed at once. Breaks when nobody reads any more, as `head` after its lines.
pub(super) fn follow(line: &str) -> ControlFlow<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// A line of something that is followed, as JSON.
pub(super) fn follow_json(line: &impl Serialize) -> ControlFlow<()> {
    serde_json::to_string(line).map_or(ControlFlow::Continue(()), |line| follow(&line))
}

/// A guest's text for a terminal, which must not take orders from it: control characters are escaped, except those that
/// only move on. `--raw` and `--json` have them as they are.
pub(super) fn shown(text: &str) -> String {
    escaped(text, |c| c.is_control() && c != '\n' && c != '\t')
}

/// The same in one line, so that no text looks like another line of the answer.
pub(super) fn one_line(text: &str) -> String {
    escaped(text, char::is_control)
}

fn escaped(text: &str, is_order: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_order(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_something_is_no_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "entry", "entries")), ["0 entries", "1 entry", "2 entries"]);
    }

    #[test]
    fn a_guests_text_gives_a_terminal_no_orders() {
        assert_eq!(shown("Bärbel's \"x\"\n\ty"), "Bärbel's \"x\"\n\ty");
        assert_eq!(shown("\u{1b}[2J\r"), "\\u{1b}[2J\\r");
        assert_eq!(one_line("Bärbel\n\ty"), "Bärbel\\n\\ty");
    }
}
