//! Numbers for people, in few columns.

/// A count: `1,234`, `56.7k`, `8.9M`.
pub(crate) fn count(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..10_000 => format!("{},{:03}", count / 1000, count % 1000),
        10_000..1_000_000 => format!("{}.{}k", count / 1000, count % 1000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
        _ => format!("{}.{}G", count / 1_000_000_000, count % 1_000_000_000 / 100_000_000),
    }
}

/// Bytes: `12 B`, `3.4 KiB`, `5.6 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scale = 1024_u64;
    let mut unit = "KiB";
    for larger in UNITS {
        unit = larger;
        if bytes / scale < 1024 {
            break;
        }
        scale = if larger == "TiB" { scale } else { scale * 1024 };
    }
    format!("{}.{} {unit}", bytes / scale, (bytes % scale).saturating_mul(10) / scale)
}

/// How often in a second, or a dash before that is known: `0`, `0.5`, `12`, `3,456`.
pub(crate) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate < 0.05 => "0".to_owned(),
        Some(rate) if rate < 10.0 => format!("{rate:.1}"),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is not negative, and saturates.
        Some(rate) => count(rate.round() as u64),
    }
}

/// A span: `250ms`, `3s`, `4m10s`, `2h05m`, `3d04h`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// A guest's text in one line, which gives a terminal no orders.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_a_column() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1234, "1,234"),
            (9999, "9,999"),
            (56_789, "56.7k"),
            (999_999, "999.9k"),
            (8_900_000, "8.9M"),
            (u64::MAX, "18446744073.7G"),
        ] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3500, "3.4 KiB"),
            (1 << 20, "1.0 MiB"),
            (3 << 29, "1.5 GiB"),
            (5 << 40, "5.0 TiB"),
            (3 << 52, "12288.0 TiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        for (number, text) in
            [(None, "-"), (Some(0.0), "0"), (Some(0.5), "0.5"), (Some(12.4), "12"), (Some(1e4), "10.0k")]
        {
            assert_eq!(rate(number), text);
        }
        assert_eq!([0, 3999, 250_000, 7_500_000, 273_600_000].map(span), ["0ms", "3s", "4m10s", "2h05m", "3d04h"]);
    }

    #[test]
    fn a_guests_text_gives_no_orders() {
        assert_eq!(one_line("Bärbel\n\u{1b}[2J"), "Bärbel\\n\\u{1b}[2J");
    }
}
