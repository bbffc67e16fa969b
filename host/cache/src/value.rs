//! What a read returns.

use std::fmt;
use std::iter::repeat_n;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a value. A clone shares them; it reads as a slice.
///
/// Key and value of an entry are one allocation, and a `Value` points into it: reading copies nothing, and the memory
/// of an entry that is evicted meanwhile lives until its last reader is done.
#[derive(Clone)]
pub struct Value {
    data: Arc<[u8]>,
    from: usize,
}

impl Value {
    pub(crate) fn of_entry(data: &Arc<[u8]>, key_bytes: usize) -> Self {
        Self { data: Arc::clone(data), from: key_bytes }
    }

    /// A value of its own, which is in no bucket.
    #[must_use]
    pub fn alone(bytes: &[u8]) -> Self {
        Self { data: Arc::from(bytes), from: 0 }
    }

    /// The value without its first so many bytes, for who keeps a head in front of it. Nothing is copied.
    #[must_use]
    pub fn skip(mut self, bytes: usize) -> Self {
        self.from = self.from.saturating_add(bytes).min(self.data.len());
        self
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.data.get(self.from..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Value {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Value {}

/// Key and value in one allocation.
pub(crate) fn pack(key: &[u8], value: &[u8]) -> Arc<[u8]> {
    // An iterator of known length allocates once; zeroes first, because filling it from two slices byte by byte is
    // several times slower than the two copies below.
    let mut data: Arc<[u8]> = repeat_n(0, key.len() + value.len()).collect();
    if let Some(bytes) = Arc::get_mut(&mut data) {
        let (key_bytes, value_bytes) = bytes.split_at_mut(key.len());
        key_bytes.copy_from_slice(key);
        value_bytes.copy_from_slice(value);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_part_after_the_key() {
        let data = pack(b"key", b"value");
        let value = Value::of_entry(&data, 3);
        assert_eq!(value, b"value");
        assert_eq!(format!("{value:?}"), "b\"value\"");
        assert_eq!(value.clone().skip(2), b"lue");
        assert!(value.skip(9).is_empty());
        assert!(Value::of_entry(&data, 8).is_empty());
    }
}
