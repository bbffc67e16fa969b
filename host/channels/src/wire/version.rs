//! Which serializer a client asks for.

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Messages are JSON objects, and there is no binary.
    V1,
    /// Messages are JSON arrays or binary.
    V2,
}

/// No serializer serves this version. The answer is 403, as Phoenix's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such version of the protocol")]
pub struct UnknownVersion;

impl Version {
    /// The version that the `vsn` parameter asks for, as Phoenix's `~> 1.0.0` and `~> 2.0.0` have it; the first where there
    /// is none.
    ///
    /// # Errors
    /// [`UnknownVersion`] for anything but `1.0.x` and `2.0.x`.
    pub fn of(vsn: Option<&str>) -> Result<Self, UnknownVersion> {
        let Some(vsn) = vsn else { return Ok(Self::V1) };
        let number = |text: &str| {
            let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            digits && (text == "0" || !text.starts_with('0'))
        };
        match (vsn.strip_prefix("1.0."), vsn.strip_prefix("2.0.")) {
            (Some(patch), _) if number(patch) => Ok(Self::V1),
            (_, Some(patch)) if number(patch) => Ok(Self::V2),
            _ => Err(UnknownVersion),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_phoenix() {
        assert_eq!(Version::of(None), Ok(Version::V1));
        for two in ["2.0.0", "2.0.7", "2.0.12"] {
            assert_eq!(Version::of(Some(two)), Ok(Version::V2), "{two}");
        }
        assert_eq!(Version::of(Some("1.0.0")), Ok(Version::V1));
        for bad in
            ["2.0", "2", "", "2.1.0", "2.0.0-rc.1", "2.0.", "2.0.x", "2.0.00", "3.0.0", " 2.0.0", "2.0.1234567890"]
        {
            assert_eq!(Version::of(Some(bad)), Err(UnknownVersion), "{bad}");
        }
    }
}
