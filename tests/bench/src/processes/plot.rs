//! Line plots below each other, over one time, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 200.0;
/// Around each plot: left, above and below it together with its texts.
const LEFT: f64 = 70.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 30.0;
/// Lines across, and marks of time.
const STEPS: usize = 4;
const MARKS: usize = 6;

/// One plot.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) color: &'a str,
    /// Seconds and values, in order.
    pub(super) points: Vec<(f64, f64)>,
}

/// The picture. Each plot begins at zero, so that what is flat looks flat and what is not does not.
pub(super) fn svg(plots: &[Plot<'_>]) -> String {
    let each = ABOVE + HEIGHT + BELOW;
    let (width, height) = (LEFT + WIDTH + 20.0, each * plots.len() as f64);
    let end = most(plots.iter().flat_map(|plot| &plot.points).map(|(second, _)| *second));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (at, plot) in plots.iter().enumerate() {
        draw(&mut text, plot, each * at as f64 + ABOVE, end);
    }
    text.push_str("</svg>\n");
    text
}

fn draw(text: &mut String, plot: &Plot<'_>, top: f64, end: f64) {
    let highest = round_up(most(plot.points.iter().map(|(_, value)| *value)));
    let (bottom, right) = (top + HEIGHT, LEFT + WIDTH);
    let _ = writeln!(text, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 12.0, plot.title);
    for step in 0..=STEPS {
        let part = step as f64 / STEPS as f64;
        let (y, label) = (bottom - HEIGHT * part, shown(highest * part));
        let _ = writeln!(text, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>");
        let _ = writeln!(text, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, y + 4.0);
    }
    for mark in 0..=MARKS {
        let part = mark as f64 / MARKS as f64;
        let (x, label) = (LEFT + WIDTH * part, shown(end * part));
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label} s</text>", bottom + 16.0);
    }
    let _ = write!(text, "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"", plot.color);
    for (second, value) in &plot.points {
        let (x, y) = (LEFT + WIDTH * second / end, bottom - HEIGHT * value / highest);
        let _ = write!(text, "{x:.1},{y:.1} ");
    }
    text.push_str("\"/>\n");
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max).max(f64::MIN_POSITIVE)
}

/// The next of 1, 2, 2.5, 5 and 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

fn shown(value: f64) -> String {
    if value == value.round() { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_above_all_values() {
        for (value, end) in [(0.7, 1.0), (1.0, 1.0), (1.2, 2.0), (2.1, 2.5), (26.0, 50.0), (670.0, 1000.0)] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_line_goes_through_its_points_from_the_lower_left() {
        let plot = Plot { title: "memory, MiB", color: "teal", points: vec![(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)] };
        let text = svg(&[plot]);
        assert!(text.contains("points=\"70.0,234.0 520.0,134.0 970.0,34.0 \""), "{text}");
        assert!(text.contains("memory, MiB") && text.ends_with("</svg>\n"));
    }
}
