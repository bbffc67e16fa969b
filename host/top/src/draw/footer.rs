//! What the keys do now, or what there is to say.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{BAD, WARN};
use crate::format::one_line;
use crate::ui::{Mode, Ui};

const KEYS: &str = "q quit  s sort  / filter  ↑↓ choose  k kill";
const ASKED: Style = BAD.add_modifier(Modifier::BOLD);

pub(super) fn widget(ui: &Ui) -> Paragraph<'static> {
    let line = match (&ui.mode, &ui.notice) {
        // What is asked stands first, and the name last: it may be longer than the line.
        (Mode::Kill { shown, .. }, _) => {
            Line::styled(format!("kill it? y/n  what it does now is lost: {}", one_line(shown)), ASKED)
        }
        (Mode::Filter(text), _) => {
            Line::raw(format!("filter (PLUGIN/PREFIX, or PREFIX; enter, esc): {}_", one_line(text)))
        }
        (Mode::Normal, Some(notice)) => Line::from(Span::styled(one_line(notice), WARN)),
        (Mode::Normal, None) => Line::raw(KEYS),
    };
    Paragraph::new(line)
}
