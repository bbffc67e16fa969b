//! JSON that is looked at and not built.

use serde::de::IgnoredAny;

use super::Malformed;

/// Whether the text is one JSON value. It keeps no stack for nested values, so depth does no harm.
pub(crate) fn check(text: &str) -> Result<(), Malformed> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|_| Malformed("no JSON"))
}

/// Appends the text as a JSON string.
pub(crate) fn string(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
