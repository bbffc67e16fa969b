//! What the person at the keys has chosen.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use skep_admin::api::{ProcessSort, ProcessStatus};

use crate::gather::Wish;
use crate::picture::Picture;

/// As a plugin's name, a slash and the longest name of a process.
const FILTER_BYTES_MAX: usize = 320;
/// Lines that the keys of pages move by.
const PAGE: usize = 10;

/// What was chosen, and what is being chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Which processes are shown, in which order.
    pub wish: Wish,
    /// What the keys mean now.
    pub mode: Mode,
    /// What there is to say about the last thing that was done, or went wrong.
    pub notice: Option<String>,
    /// Who is chosen; it stays chosen when it moves.
    selected: Option<String>,
    /// Where that was, in case it goes.
    row: usize,
}

/// What the keys mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Commands.
    #[default]
    Normal,
    /// Letters of a filter. What stands here counts when it is done.
    Filter(String),
    /// Yes or no: is this one to be killed?
    Kill {
        /// Who; it was asked about this one, wherever it is in the list by now.
        pid: String,
        /// As people know it.
        shown: String,
    },
}

/// What is to be done outside of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It ends.
    Quit,
    /// Other processes are wanted: look at once.
    Look,
    /// This process is killed.
    Kill(String),
}

impl Ui {
    /// Begins with this order and filter.
    #[must_use]
    pub fn new(wish: Wish) -> Self {
        Self { wish, ..Self::default() }
    }

    /// Which line is chosen.
    #[must_use]
    pub fn row(&self, processes: &[ProcessStatus]) -> Option<usize> {
        let last = processes.len().checked_sub(1)?;
        let by_pid = self.selected.as_ref().and_then(|pid| processes.iter().position(|process| process.pid == *pid));
        Some(by_pid.unwrap_or(self.row.min(last)))
    }

    /// What a key does.
    pub fn key(&mut self, key: KeyEvent, picture: &Picture) -> Option<Action> {
        // Some terminals tell when a key is let go, too.
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
        }
        match std::mem::take(&mut self.mode) {
            Mode::Normal => self.command(key.code, picture),
            Mode::Filter(text) => self.letter(key.code, text),
            Mode::Kill { pid, .. } => {
                let yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
                self.notice = (!yes).then(|| "not killed".to_owned());
                yes.then_some(Action::Kill(pid))
            }
        }
    }

    fn command(&mut self, code: KeyCode, picture: &Picture) -> Option<Action> {
        self.notice = None;
        let processes = picture.now.processes.as_ref().map(|page| page.processes.as_slice()).unwrap_or_default();
        match code {
            KeyCode::Char('q') => return Some(Action::Quit),
            KeyCode::Char('s') => return Some(self.sort(1)),
            KeyCode::Char('S') => return Some(self.sort(ProcessSort::ALL.len().saturating_sub(1))),
            KeyCode::Char('/') => self.mode = Mode::Filter(self.wish.filter.clone()),
            KeyCode::Esc if !self.wish.filter.is_empty() => {
                self.wish.filter.clear();
                return Some(Action::Look);
            }
            KeyCode::Char('k') => {
                let chosen = self.row(processes).and_then(|row| processes.get(row));
                match chosen {
                    Some(process) => self.mode = Mode::Kill { pid: process.pid.clone(), shown: shown(process) },
                    None => self.notice = Some("there is no process to kill".to_owned()),
                }
            }
            KeyCode::Up => self.choose(processes, |row| row.saturating_sub(1)),
            KeyCode::Down => self.choose(processes, |row| row.saturating_add(1)),
            KeyCode::PageUp => self.choose(processes, |row| row.saturating_sub(PAGE)),
            KeyCode::PageDown => self.choose(processes, |row| row.saturating_add(PAGE)),
            KeyCode::Home => self.choose(processes, |_| 0),
            KeyCode::End => self.choose(processes, |_| usize::MAX),
            _ => {}
        }
        None
    }

    fn letter(&mut self, code: KeyCode, mut text: String) -> Option<Action> {
        match code {
            KeyCode::Esc => return None,
            KeyCode::Enter => {
                let changed = self.wish.filter != text;
                self.wish.filter = text;
                return changed.then_some(Action::Look);
            }
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(letter) if text.len() + letter.len_utf8() <= FILTER_BYTES_MAX => text.push(letter),
            _ => {}
        }
        self.mode = Mode::Filter(text);
        None
    }

    fn sort(&mut self, by: usize) -> Action {
        let orders = ProcessSort::ALL;
        let at = orders.iter().position(|sort| *sort == self.wish.sort).unwrap_or_default();
        self.wish.sort = orders.iter().copied().cycle().nth(at + by).unwrap_or_default();
        // Who is at the top is what the new order is for.
        (self.selected, self.row) = (None, 0);
        Action::Look
    }

    fn choose(&mut self, processes: &[ProcessStatus], to: impl Fn(usize) -> usize) {
        let Some(row) = self.row(processes) else { return };
        let row = to(row).min(processes.len().saturating_sub(1));
        self.row = row;
        self.selected = processes.get(row).map(|process| process.pid.clone());
    }
}

/// A process as people know it.
pub(crate) fn shown(process: &ProcessStatus) -> String {
    match &process.name {
        Some(name) => format!("{}/{name}", process.plugin),
        None => process.pid.clone(),
    }
}

#[cfg(test)]
mod tests;
