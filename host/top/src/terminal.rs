//! The terminal, borrowed.

use std::io::{IsTerminal as _, stdin, stdout};

use anyhow::Context as _;
use ratatui::DefaultTerminal;

/// A screen of its own, without echo. Dropping it gives the terminal back as it was; a panic does so before it is told.
pub struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Fails unless there is a terminal to draw on and to read keys from.
    ///
    /// # Errors
    /// What there is instead, and what to do about it.
    pub fn check() -> anyhow::Result<()> {
        anyhow::ensure!(
            stdout().is_terminal() && stdin().is_terminal(),
            "there is no terminal to draw on: `skep ps --processes --json` prints the same for programs"
        );
        Ok(())
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when the terminal refuses.
    pub fn enter() -> anyhow::Result<Self> {
        Self::check()?;
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                // It may have been taken by half.
                leave();
                Err(error).context("the terminal does not let itself be drawn on")
            }
        }
    }

    /// What is drawn on.
    pub fn terminal(&mut self) -> &mut DefaultTerminal {
        &mut self.terminal
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // Whoever closed the terminal has no use for it any more.
    let _ = ratatui::try_restore();
}
