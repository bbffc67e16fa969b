//! The node in some lines, and its jobs in one.

use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use skep_admin::api::{JobCounts, JobState, NodeFigures, ProcessTotals, SocketTotals};

use super::{BAD, BOLD, WARN};
use crate::format::{bytes, count, one_line, rate, span};
use crate::picture::{Picture, Rates};

pub(super) fn widget(picture: &Picture) -> Paragraph<'static> {
    let (figures, rates) = (&picture.now.figures, &picture.rates);
    let mut lines = vec![node(figures, rates), calls(figures, rates)];
    lines.extend(figures.processes.as_ref().map(|totals| processes(totals, rates)));
    lines.extend(used(figures).map(|totals| sockets(totals, rates)));
    Paragraph::new(lines)
}

/// How many lines that takes.
pub(super) fn height(picture: &Picture) -> u16 {
    3 + u16::from(used(&picture.now.figures).is_some())
}

/// The sockets of a node that has had any.
fn used(figures: &NodeFigures) -> Option<&SocketTotals> {
    figures.sockets.as_ref().filter(|totals| totals.opened > 0)
}

fn node(figures: &NodeFigures, rates: &Rates) -> Line<'static> {
    let unknown = || "-".to_owned();
    // As tools for operators have it: one core that is busy is 100 %.
    let cpu = rates.cpu.map_or_else(unknown, |cores| format!("{:.0}%", cores * 100.0));
    let rss = figures.rss_bytes.map_or_else(unknown, bytes);
    let of = figures.memory_bytes.map(|memory| format!(" of {}", bytes(memory))).unwrap_or_default();
    let rest = format!(
        "  skep {}  up {}  cpu {cpu} of {} cores  rss {rss}{of}",
        one_line(&figures.version),
        span(figures.uptime_ms),
        figures.cores
    );
    Line::from(vec![Span::styled(one_line(&figures.name), BOLD), Span::raw(rest)])
}

fn calls(figures: &NodeFigures, rates: &Rates) -> Line<'static> {
    let sum = |of: fn(&skep_admin::api::PluginFigures) -> u64| {
        figures.plugins.iter().map(of).fold(0_u64, u64::saturating_add)
    };
    let (running, waiting) = (sum(|plugin| plugin.running), sum(|plugin| plugin.waiting));
    let text = format!("calls {}/s  running {}  waiting {}", rate(rates.calls), count(running), count(waiting));
    let mut spans = vec![Span::raw(text)];
    if rates.failures.is_some_and(|failures| failures > 0.0) {
        spans.push(Span::styled(format!("  failed {}/s", rate(rates.failures)), BAD));
    }
    Line::from(spans)
}

fn processes(totals: &ProcessTotals, rates: &Rates) -> Line<'static> {
    let text = format!(
        "processes {} of {}  live {} of {}  states {} of {}  messages {}/s",
        count(totals.processes),
        count(totals.processes_max),
        count(totals.live),
        count(totals.live_max),
        bytes(totals.state_bytes),
        bytes(totals.state_bytes_max),
        rate(rates.messages)
    );
    let mut spans = vec![Span::raw(text)];
    if totals.waking > 0 {
        spans.push(Span::styled(format!("  waiting to wake {}", count(totals.waking)), WARN));
    }
    Line::from(spans)
}

fn sockets(totals: &SocketTotals, rates: &Rates) -> Line<'static> {
    let text = format!(
        "sockets {} of {}  longpoll {}  opened {}/s  joins {}/s",
        count(totals.sockets),
        count(totals.sockets_max),
        count(totals.longpoll),
        rate(rates.sockets),
        rate(rates.joins)
    );
    let mut spans = vec![Span::raw(text)];
    if totals.slow > 0 {
        spans.push(Span::styled(format!("  closed as slow {}", count(totals.slow)), WARN));
    }
    if rates.channel_crashes.is_some_and(|crashes| crashes > 0.0) {
        spans.push(Span::styled(format!("  channels crashed {}/s", rate(rates.channel_crashes)), BAD));
    }
    Line::from(spans)
}

/// All queues in a line, with an empty one above it.
pub(super) fn jobs(picture: &Picture) -> Paragraph<'static> {
    let Some(queues) = &picture.now.queues else { return Paragraph::new("") };
    let of = |state: JobState| queues.iter().map(|queue| queue.counts.get(state)).fold(0_u64, u64::saturating_add);
    let counts = JobCounts::of(JobState::ALL.map(of));
    let paused = queues.iter().filter(|queue| queue.paused).count();
    let mut spans = vec![
        Span::styled("jobs", BOLD),
        Span::raw(format!(
            "  available {}  executing {}  scheduled {}  retryable {}",
            count(counts.available),
            count(counts.executing),
            count(counts.scheduled),
            count(counts.retryable)
        )),
    ];
    if counts.discarded > 0 {
        spans.push(Span::styled(format!("  discarded {}", count(counts.discarded)), WARN));
    }
    let kinds = if queues.len() == 1 { "queue" } else { "queues" };
    spans.push(Span::raw(format!("  in {} {kinds}", queues.len())));
    if paused > 0 {
        spans.push(Span::styled(format!(", {paused} paused"), WARN));
    }
    Paragraph::new(vec![Line::default(), Line::from(spans)])
}
