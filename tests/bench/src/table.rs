//! Medians and the lines of the table.

use crate::process::Load;

/// The measurements of one server.
#[derive(Default)]
pub(crate) struct Series(Vec<Load>);

impl Series {
    pub(crate) fn push(&mut self, load: Load) {
        self.0.push(load);
    }

    fn median_of(&self, figure: impl Fn(&Load) -> f64) -> f64 {
        median(&self.0.iter().map(figure).collect::<Vec<_>>())
    }

    /// The median of the ratios of requests per second, round by round, so that a machine whose speed drifts does not
    /// decide.
    pub(crate) fn ratio(&self, to: &Self) -> f64 {
        median(&self.0.iter().zip(&to.0).map(|(ours, theirs)| ours.rps / theirs.rps).collect::<Vec<_>>())
    }

    pub(crate) fn print(&self, name: &str, bare: &Self) {
        println!(
            "{name:<24} {:>9.0} {:>8.0} {:>8.0} {:>9.1} {:>8.2}",
            self.median_of(|load| load.rps),
            self.median_of(|load| load.p50_us),
            self.median_of(|load| load.p99_us),
            self.median_of(|load| load.cpu_us),
            self.ratio(bare)
        );
    }
}

/// The middle value; the mean of the two middle ones of an even number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(upper, lower)
}
