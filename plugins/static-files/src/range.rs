//! `Range` (RFC 9110, section 14): one range of bytes. Several at once get the whole file, as the RFC allows.

/// What part of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: nothing else was asked for, or not in a way to be understood.
    Whole,
    /// So many bytes from here, at least one.
    Range {
        /// Where it starts.
        start: u64,
        /// How long it is.
        length: u64,
    },
    /// There is nothing where it was asked for.
    Unsatisfiable,
}

/// Reads the field for a file of this size.
pub(crate) fn part(field: &str, size: u64) -> Part {
    let Some((unit, range)) = field.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    // With several ranges one of the sides has a comma in it, which is no number.
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    match (first, last) {
        ("", suffix) => number(suffix).map_or(Part::Whole, |length| last_bytes(length, size)),
        (first, "") => number(first).map_or(Part::Whole, |first| between(first, u64::MAX, size)),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => between(first, last, size),
            _ => Part::Whole,
        },
    }
}

fn between(first: u64, last: u64, size: u64) -> Part {
    if first >= size {
        return Part::Unsatisfiable;
    }
    // Above, so there is a last byte; the range may end before it.
    let last = last.min(size.saturating_sub(1));
    Part::Range { start: first, length: (last - first).saturating_add(1) }
}

fn last_bytes(length: u64, size: u64) -> Part {
    match (length, size) {
        (0, _) => Part::Unsatisfiable,
        // Satisfiable by the RFC, but `Content-Range` has no way to say it.
        (_, 0) => Part::Whole,
        (length, size) => {
            let length = length.min(size);
            Part::Range { start: size - length, length }
        }
    }
}

/// A number of any length; one that is too long is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: Part) {
        assert_eq!(part(field, 10), expected, "{field:?} of 10 bytes");
    }

    #[test]
    fn single_ranges() {
        check("bytes=0-0", Part::Range { start: 0, length: 1 });
        check("bytes=2-5", Part::Range { start: 2, length: 4 });
        check("bytes=7-", Part::Range { start: 7, length: 3 });
        check("bytes=7-999", Part::Range { start: 7, length: 3 });
        check("bytes=0-99999999999999999999999", Part::Range { start: 0, length: 10 });
        check("Bytes= 9-9 ", Part::Range { start: 9, length: 1 });
    }

    #[test]
    fn suffixes() {
        check("bytes=-3", Part::Range { start: 7, length: 3 });
        check("bytes=-10", Part::Range { start: 0, length: 10 });
        check("bytes=-99999999999999999999999", Part::Range { start: 0, length: 10 });
        check("bytes=-0", Part::Unsatisfiable);
    }

    #[test]
    fn past_the_end() {
        check("bytes=10-", Part::Unsatisfiable);
        check("bytes=10-20", Part::Unsatisfiable);
        check("bytes=99999999999999999999999-", Part::Unsatisfiable);
        assert_eq!(part("bytes=0-", 0), Part::Unsatisfiable);
        assert_eq!(part("bytes=-1", 0), Part::Whole);
        assert_eq!(part("bytes=0-", u64::MAX), Part::Range { start: 0, length: u64::MAX });
    }

    #[test]
    fn anything_else_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=-1,-2",
            "items=0-1",
            "bytes 0-1",
        ] {
            check(field, Part::Whole);
        }
    }
}
