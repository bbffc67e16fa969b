//! Bars that are stated, and those of them that are missed.

use std::process::ExitCode;

/// The bars that are missed.
#[derive(Default)]
pub(crate) struct Bars(Vec<String>);

impl Bars {
    pub(crate) fn least(&mut self, what: &str, figure: f64, bar: f64) {
        self.hold(what, figure, bar, figure >= bar);
    }

    pub(crate) fn most(&mut self, what: &str, figure: f64, bar: f64) {
        self.hold(what, figure, bar, figure <= bar);
    }

    fn hold(&mut self, what: &str, figure: f64, bar: f64, held: bool) {
        if !held {
            self.0.push(format!("{what}: {figure:.2}, the bar is {bar:.2}"));
        }
    }

    pub(crate) fn verdict(&self, check: bool) -> ExitCode {
        for miss in &self.0 {
            println!("missed: {miss}");
        }
        if check && !self.0.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
