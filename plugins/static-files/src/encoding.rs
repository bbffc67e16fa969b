//! `Accept-Encoding` (RFC 9110, section 12.5.3), for files that were compressed beforehand.

/// How a sibling of a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `.br`
    Brotli,
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
}

impl Encoding {
    /// The best first: at the settings for files that are compressed once, it is the smallest.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As in `Content-Encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What comes behind the file's name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// The encodings that a client would rather have than the plain file, the best first.
pub(crate) fn preferred(field: &str) -> Vec<Encoding> {
    let items: Vec<_> = field.split(',').filter_map(item).collect();
    let weight = |names: &[&str]| {
        let named = |(coding, _): &&(&str, u16)| names.iter().any(|name| coding.eq_ignore_ascii_case(name));
        items.iter().find(named).map(|(_, weight)| *weight)
    };
    let any = weight(&["*"]);
    // Not named, the plain file is what remains when nothing else is there.
    let identity = weight(&["identity"]).unwrap_or(0);
    let mut preferred: Vec<_> = Encoding::ALL
        .into_iter()
        .filter_map(|encoding| {
            let weight = match encoding {
                Encoding::Gzip => weight(&["gzip", "x-gzip"]),
                other => weight(&[other.token()]),
            };
            Some((encoding, weight.or(any)?))
        })
        .filter(|(_, weight)| *weight > 0 && *weight >= identity)
        .collect();
    // Stable: among equals our order stays.
    preferred.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    preferred.into_iter().map(|(encoding, _)| encoding).collect()
}

/// A coding and its weight in thousandths; nothing if the weight cannot be read.
fn item(text: &str) -> Option<(&str, u16)> {
    let mut pieces = text.split(';');
    let coding = pieces.next()?.trim();
    let weight = match pieces.next() {
        None => 1000,
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().parse::<f32>().ok().filter(|value| (0.0..=1.0).contains(value))?;
            if !name.trim().eq_ignore_ascii_case("q") {
                return None;
            }
            // In range by the filter above.
            (value * 1000.0) as u16
        }
    };
    Some((coding, weight))
}

#[cfg(test)]
mod tests {
    use super::Encoding::{Brotli, Gzip, Zstd};
    use super::*;

    fn check(field: &str, expected: &[Encoding]) {
        assert_eq!(preferred(field), expected, "{field:?}");
    }

    #[test]
    fn our_order_among_equals() {
        check("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip]);
        check("GZIP;q=0.5,br;Q=0.5", &[Brotli, Gzip]);
        check("x-gzip", &[Gzip]);
    }

    #[test]
    fn weights_come_first() {
        check("gzip;q=1.0, br;q=0.8", &[Gzip, Brotli]);
        check("br ; q = 0.001, gzip;q=0.002", &[Gzip, Brotli]);
        check("br;q=0, gzip", &[Gzip]);
        check("br;q=0.000", &[]);
    }

    #[test]
    fn a_star_is_all_that_is_not_named() {
        check("*", &[Brotli, Zstd, Gzip]);
        check("*;q=0.5, gzip;q=0.7, br;q=0", &[Gzip, Zstd]);
        check("gzip, *;q=0", &[Gzip]);
    }

    #[test]
    fn identity_counts_where_it_is_named() {
        check("identity", &[]);
        check("identity, br;q=0.5", &[]);
        check("identity;q=0.5, br;q=0.4, gzip", &[Gzip]);
        check("identity;q=0, gzip", &[Gzip]);
    }

    #[test]
    fn nonsense_is_not_accepted() {
        for field in ["", ",", "br;q=2", "br;q=x", "br;level=1", "br;q", "br;q=NaN", "deflate", "brotli"] {
            check(field, &[]);
        }
    }
}
