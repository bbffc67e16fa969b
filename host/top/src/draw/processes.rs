//! The processes, in the order that was chosen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Row, Table, TableState, Wrap};
use skep_admin::api::{ProcessPage, ProcessSort, ProcessState, ProcessStatus};

use super::{BAD, BOLD, TITLE, WARN, fitting};
use crate::format::{bytes, count, one_line, rate};
use crate::picture::{Picture, Rates};
use crate::ui::{Ui, shown};

const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
const WIDTHS: [Constraint; 9] = [
    Constraint::Fill(2),
    Constraint::Length(10),
    Constraint::Length(11),
    Constraint::Length(7),
    Constraint::Length(10),
    Constraint::Length(8),
    Constraint::Length(6),
    Constraint::Length(7),
    Constraint::Fill(1),
];

/// The kind, which is in the pids of those without a name, and the trouble, which `skep inspect` tells, too; and on a narrow
/// terminal memory, all messages and crashes.
const LEFT_OUT: [&[usize]; 2] = [&[1, 8], &[4, 5, 7]];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, picture: &Picture, ui: &Ui) {
    let [_, title, table] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(1)]).areas(area);
    match &picture.now.processes {
        Ok(page) => {
            frame.render_widget(Paragraph::new(heading(page, ui)), title);
            // A state of this moment: the chosen line is on the screen, wherever it is in the list.
            let mut state = TableState::new().with_selected(ui.row(&page.processes));
            frame.render_stateful_widget(widget(page, &picture.rates, ui.wish.sort, area.width), table, &mut state);
        }
        Err(why) => {
            let why = Paragraph::new(one_line(why)).style(WARN).wrap(Wrap { trim: false });
            frame.render_widget(Paragraph::new(Line::from(Span::styled("processes", BOLD))), title);
            frame.render_widget(why, table);
        }
    }
}

fn heading(page: &ProcessPage, ui: &Ui) -> Line<'static> {
    let mut text = format!("  by {}", ui.wish.sort);
    if !ui.wish.filter.is_empty() {
        text.push_str(&format!("  filter {}", one_line(&ui.wish.filter)));
    }
    let there = u64::try_from(page.processes.len()).unwrap_or(u64::MAX);
    if there < page.total {
        text.push_str(&format!("  first {} of {}", count(there), count(page.total)));
    } else {
        text.push_str(&format!("  {}", count(page.total)));
    }
    Line::from(vec![Span::styled("processes", BOLD), Span::raw(text)])
}

fn widget(page: &ProcessPage, rates: &Rates, sort: ProcessSort, width: u16) -> Table<'static> {
    let head = |name: &str, of: Option<ProcessSort>| {
        // The column that decides stands out.
        let style = if of == Some(sort) { TITLE.patch(BOLD) } else { TITLE };
        Text::from(Span::styled(name.to_owned(), style))
    };
    let number = |name: &str, of: Option<ProcessSort>| head(name, of).right_aligned();
    let heads = [
        head("PROCESS", Some(ProcessSort::Name)),
        head("KIND", None),
        head("STATE", None),
        number("MAILBOX", Some(ProcessSort::Mailbox)),
        number("MEMORY", Some(ProcessSort::Memory)),
        number("MESSAGES", Some(ProcessSort::Messages)),
        number("MSG/S", None),
        number("CRASHES", Some(ProcessSort::Crashes)),
        head("TROUBLE", None),
    ];
    let rows = page.processes.iter().map(|process| row(process, rates, width));
    let heads = Row::new(fitting(heads, LEFT_OUT, width));
    let widths = fitting(WIDTHS, LEFT_OUT, width);
    Table::new(rows, widths).header(heads).row_highlight_style(CHOSEN).column_spacing(1)
}

fn row(process: &ProcessStatus, rates: &Rates, width: u16) -> Row<'static> {
    let style = match process.state {
        ProcessState::GaveUp | ProcessState::Quarantined => BAD,
        ProcessState::BackingOff => WARN,
        _ => Style::new(),
    };
    let right = |text: String| Text::from(text).right_aligned();
    let cells = [
        Text::from(one_line(&shown(process))),
        Text::from(one_line(&process.kind)),
        Text::from(process.state.as_str()),
        right(count(process.mailbox)),
        right(bytes(process.memory)),
        right(count(process.messages)),
        right(rate(rates.process(&process.pid))),
        right(count(process.crashes)),
        Text::from(process.trouble.as_deref().map(one_line).unwrap_or_default()),
    ];
    Row::new(fitting(cells, LEFT_OUT, width)).style(style)
}
