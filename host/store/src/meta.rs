//! What the author of a job wants to know of it, as bytes.

/// Pairs of texts as bytes: each with its length in front.
pub(crate) fn encode(pairs: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        // Longer ones do not pass the limit of a commit.
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// What [`encode`] gave; it stops where the bytes make no sense.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut text = || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
        bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    };
    std::iter::from_fn(|| Some((text()?, text()?))).collect()
}
