//! The plugins, the busiest first.

use std::cmp::Ordering;

use ratatui::layout::Constraint;
use ratatui::style::Style;
use ratatui::text::Text;
use ratatui::widgets::{Row, Table};
use skep_admin::api::PluginFigures;

use super::{BAD, PLUGINS_MAX, TITLE, fitting};
use crate::format::{count, one_line, rate};
use crate::picture::{Picture, Rates};

const WIDTHS: [Constraint; 8] = [
    Constraint::Fill(1),
    Constraint::Length(8),
    Constraint::Length(16),
    Constraint::Length(9),
    Constraint::Length(9),
    Constraint::Length(8),
    Constraint::Length(8),
    Constraint::Length(10),
];

/// The revision; and on a narrow terminal nothing but name, state, calls and failures.
const LEFT_OUT: [&[usize]; 2] = [&[2], &[5, 6, 7]];

pub(super) fn widget(picture: &Picture, width: u16) -> Table<'static> {
    let (all, rates) = (&picture.now.figures.plugins, &picture.rates);
    let mut plugins: Vec<_> = all.iter().collect();
    let calls = |plugin: &PluginFigures| rates.plugin(&plugin.name).map_or(0.0, |(calls, _)| calls);
    // The order of names decides between equals, so that idle ones keep their places.
    plugins
        .sort_by(|a, b| calls(b).partial_cmp(&calls(a)).unwrap_or(Ordering::Equal).then_with(|| a.name.cmp(&b.name)));
    plugins.truncate(PLUGINS_MAX);
    let title = match all.len().checked_sub(PLUGINS_MAX) {
        None | Some(0) => "PLUGIN".to_owned(),
        Some(more) => format!("PLUGIN (and {more} more)"),
    };
    let [calls_head, failed, running, waiting, processes] =
        ["CALLS/S", "FAILED/S", "RUNNING", "WAITING", "PROCESSES"].map(right);
    let (state, revision) = (Text::from("STATE"), Text::from("REVISION"));
    let heads = [Text::from(title), state, revision, calls_head, failed, running, waiting, processes];
    let rows = plugins.into_iter().map(|plugin| row(plugin, rates, width));
    let heads = Row::new(fitting(heads, LEFT_OUT, width)).style(TITLE);
    Table::new(rows, fitting(WIDTHS, LEFT_OUT, width)).header(heads).column_spacing(1)
}

fn row(plugin: &PluginFigures, rates: &Rates, width: u16) -> Row<'static> {
    let rates = rates.plugin(&plugin.name);
    let failed = rates.is_some_and(|(_, failures)| failures > 0.0);
    let style = if failed || plugin.state == "failed" { BAD } else { Style::new() };
    let cells = [
        Text::from(one_line(&plugin.name)),
        Text::from(one_line(&plugin.state)),
        Text::from(plugin.revision.as_deref().map_or_else(|| "-".to_owned(), one_line)),
        right(rate(rates.map(|(calls, _)| calls))),
        right(rate(rates.map(|(_, failures)| failures))),
        right(count(plugin.running)),
        right(count(plugin.waiting)),
        right(count(plugin.processes)),
    ];
    Row::new(fitting(cells, LEFT_OUT, width)).style(style)
}

fn right(text: impl Into<String>) -> Text<'static> {
    Text::from(text.into()).right_aligned()
}
