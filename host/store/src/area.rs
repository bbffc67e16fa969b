//! Whose keys: those that a plugin writes, and those that the host keeps for it.

use std::borrow::Cow;

/// Which keys of a space are meant. Those of one area are not there for who asks for the other; both count against the
/// plugin's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// What the plugin writes: keys of 1 to 1,024 bytes without control characters.
    #[default]
    Plugin,
    /// What the host keeps for the plugin: keys of 1 to 1,280 bytes, whatever they are, so that one may hold a name of the
    /// host's and a key of the plugin's elsewhere.
    Host,
}

/// What the host's keys begin with where both are in one table: no key of a plugin has a control character.
const MARK: u8 = 1;
/// What a plugin's keys begin with at least.
const FIRST: u8 = b' ';

impl Area {
    /// A key, or the beginning of keys, as the table has it; none if no key of this area begins so.
    pub(crate) fn mark(self, text: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Plugin if text.bytes().next().is_some_and(|first| first < FIRST) => None,
            Self::Plugin => Some(Cow::Borrowed(text.as_bytes())),
            Self::Host => Some(Cow::Owned([&[MARK], text.as_bytes()].concat())),
        }
    }

    /// The way back.
    pub(crate) fn unmark(self, stored: &[u8]) -> String {
        let key = match self {
            Self::Plugin => stored,
            Self::Host => stored.strip_prefix(&[MARK]).unwrap_or(stored),
        };
        String::from_utf8_lossy(key).into_owned()
    }

    /// What all its keys come at or after.
    pub(crate) const fn first(self) -> &'static [u8] {
        match self {
            Self::Plugin => &[FIRST],
            Self::Host => &[MARK],
        }
    }
}

/// The first key behind all those that begin so; none, if all do.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    // No byte of a text is 255.
    *end.last_mut()? += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::{Area, end_of};

    #[test]
    fn the_areas_do_not_meet() {
        for key in ["a", "", "\u{1}a", "é"] {
            let host = Area::Host.mark(key).unwrap();
            assert_eq!(Area::Host.unmark(&host), key);
            assert!(*host < *Area::Plugin.first());
        }
        assert_eq!(Area::Plugin.mark("\u{1}a"), None);
        assert_eq!(&*Area::Plugin.mark("a").unwrap(), b"a");
        assert_eq!(Area::Plugin.unmark(b"a"), "a");
    }

    #[test]
    fn a_prefix_ends_before_its_last_byte_grows() {
        assert_eq!(end_of(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(end_of("é".as_bytes()), Some(vec![0xc3, 0xaa]));
        assert_eq!(end_of(b""), None);
    }
}
