//! Numbers as databases have them: signed, of 64 bits.

/// A number as a database has them. Nothing that counts comes near the end of its range; a time beyond it is as good as never.
pub(crate) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What [`sql`] gave.
pub(crate) fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A length, to be counted with.
pub(crate) fn len(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}
