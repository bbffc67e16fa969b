//! Typed values as bytes: postcard, small and quick, in the format of its stable specification, for what stays with the
//! plugin; JSON for what others read.

use std::{any::type_name, fmt};

use serde::{Serialize, de::DeserializeOwned};

/// Most values fit, and growing from nothing would allocate several times.
const CAPACITY_BYTES: usize = 128;

/// A value and its bytes do not fit each other.
#[derive(Debug)]
pub(crate) enum CodecError {
    Encode { ty: &'static str, cause: postcard::Error },
    Decode { ty: &'static str, cause: postcard::Error },
    Rest { ty: &'static str, bytes: usize },
}

impl CodecError {
    /// Whether no value of that type can ever be read, whatever the bytes.
    pub(crate) fn is_hopeless(&self) -> bool {
        matches!(self, Self::Decode { cause: postcard::Error::WontImplement, .. })
    }
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    postcard::to_extend(value, Vec::with_capacity(CAPACITY_BYTES))
        .map_err(|cause| CodecError::Encode { ty: type_name::<T>(), cause })
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let ty = type_name::<T>();
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|cause| CodecError::Decode { ty, cause })?;
    // The bytes do not name their type: what is left over is the surest sign that they are of another one.
    if rest.is_empty() { Ok(value) } else { Err(CodecError::Rest { ty, bytes: rest.len() }) }
}

/// A value for readers in any language.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(CAPACITY_BYTES);
    serde_json::to_writer(&mut json, value)?;
    Ok(json)
}

/// A value out of JSON; the error says in which field it is. Only what does not fit is parsed again to find that out.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, crate::Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let path = serde_path_to_error::deserialize::<_, T>(&mut json).err().map(|error| error.path().to_string());
        match path.as_deref() {
            None | Some("." | "?") => error.into(),
            Some(path) => crate::Error::from(error).context(format!("field `{path}`")),
        }
    })
}

/// A value that somebody else may have left out: nothing at all, and `{}` for what takes nothing, are null.
pub(crate) fn from_payload<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, crate::Error> {
    match bytes {
        b"" => from_json(b"null"),
        b"{}" => from_json(bytes).or_else(|error| from_json(b"null").map_err(|_| error)),
        _ => from_json(bytes),
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { ty, .. } => write!(f, "a `{ty}` does not encode"),
            Self::Decode { ty, .. } => write!(f, "the value is no `{ty}`"),
            Self::Rest { ty, bytes } => write!(f, "the value is no `{ty}`: {bytes} bytes too many"),
        }
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Encode { cause, .. } | Self::Decode { cause, .. } => Some(cause),
            Self::Rest { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_return_as_they_were() {
        let value = (7_u64, "maja".to_owned(), Some(vec![1.5_f64]), [("a".to_owned(), -1_i8)]);
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<(u64, String, Option<Vec<f64>>, [(String, i8); 1])>(&bytes).unwrap(), value);
        assert_eq!(encode("hi").unwrap(), b"\x02hi");
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        let bytes = encode("maja").unwrap();
        let error = decode::<(String, u8)>(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "the value is no `(alloc::string::String, u8)`");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(decode::<u8>(&bytes).unwrap_err().to_string(), "the value is no `u8`: 4 bytes too many");
    }

    #[test]
    fn what_only_a_self_describing_format_can_hold_is_refused_at_the_read() {
        let bytes = encode(&serde_json::json!({"a": 1})).unwrap();
        assert!(decode::<serde_json::Value>(&bytes).unwrap_err().is_hopeless());
        assert!(!decode::<[String; 9]>(&bytes).unwrap_err().is_hopeless());
    }
}
