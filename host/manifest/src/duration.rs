//! Durations as people write them: `"500ms"`, `"10s"`, `"1m30s"`, `"2h"`.

use std::time::Duration;

/// A duration that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a duration: write whole numbers with ms, s, m or h, such as \"500ms\", \"10s\" or \"1m30s\"")]
pub(crate) struct InvalidDuration(String);

/// The units, the largest first, in milliseconds. `ms` is before `m`, so that the longer name is tried first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)];

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    let mut last_scale = u64::MAX;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let unit = UNITS.iter().find_map(|(unit, scale)| Some((tail.strip_prefix(unit)?, *scale)));
        let (tail, scale) = unit.ok_or_else(invalid)?;
        // Each unit once, the largest first: "1s1h" is more likely a slip than meant.
        if scale >= last_scale {
            return Err(invalid());
        }
        let part = number.checked_mul(scale).ok_or_else(invalid)?;
        total_ms = total_ms.checked_add(part).ok_or_else(invalid)?;
        if tail.is_empty() {
            return Ok(Duration::from_millis(total_ms));
        }
        (rest, last_scale) = (tail, scale);
    }
}

/// The duration as one writes it, to the millisecond.
pub(crate) fn show(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, ms) in
            [("0s", 0), ("500ms", 500), ("10s", 10_000), ("1m30s", 90_000), ("2h", 7_200_000), (" 1h1ms ", 3_600_001)]
        {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(ms), "{text}");
            assert_eq!(show(duration), text.trim());
        }
        for bad in ["", "10", "s", "-1s", "1.5s", "1 s", "1s1h", "1s1s", "1d", "1S", "1s ago", "99999999999999999999h"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("18446744073709551615h").is_err());
    }
}
