//! A picture and the choices, as a screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};

use crate::picture::Picture;
use crate::ui::Ui;

mod footer;
mod header;
mod plugins;
mod processes;

/// Plugins that have a line; those that are busiest.
const PLUGINS_MAX: usize = 8;
/// Columns from which on tables have all that there is to say.
const WIDE: u16 = 100;
/// Columns below which tables say only what matters most, so that names can be read.
const NARROW: u16 = 76;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const TITLE: Style = Style::new().add_modifier(Modifier::UNDERLINED);
const BAD: Style = Style::new().fg(Color::Red);
const WARN: Style = Style::new().fg(Color::Yellow);

/// Draws. It asks for nothing and remembers nothing: the same picture and choices are the same screen.
pub fn draw(frame: &mut Frame<'_>, picture: &Picture, ui: &Ui) {
    let plugins = u16::try_from(picture.now.figures.plugins.len().min(PLUGINS_MAX)).unwrap_or(0);
    // On a low screen the processes go last: they are what it is looked at for.
    let [head, plugin_table, jobs, process_table, foot] = Layout::vertical([
        Constraint::Length(header::height(picture)),
        Constraint::Length(plugins.saturating_add(1)),
        Constraint::Length(2),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header::widget(picture), head);
    frame.render_widget(plugins::widget(picture, plugin_table.width), plugin_table);
    frame.render_widget(header::jobs(picture), jobs);
    processes::draw(frame, process_table, picture, ui);
    frame.render_widget(footer::widget(ui), foot);
}

/// The columns of a table that there is room for; some are for wide terminals only, and some not for narrow ones.
fn fitting<T, const N: usize>(columns: [T; N], [wide_only, not_narrow]: [&[usize]; 2], width: u16) -> Vec<T> {
    let fits = |at: &usize| (width >= WIDE || !wide_only.contains(at)) && (width >= NARROW || !not_narrow.contains(at));
    columns.into_iter().enumerate().filter(|(at, _)| fits(at)).map(|(_, column)| column).collect()
}

#[cfg(test)]
mod tests;
