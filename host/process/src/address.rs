//! Who a process is, and how it is reached.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use skep_types::PluginName;

/// The longest name of a process, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// The longest name of a kind, in bytes.
pub const KIND_BYTES_MAX: usize = 64;

/// A text that names no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is not what a pid looks like.
    #[error("`{0}` is not a pid: they look like \"shop/cart/0c9k3v8d4m000\"")]
    Pid(String),
    /// The name breaks its rules.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Name,
    /// The kind breaks its rules.
    #[error("a kind has 1 to {KIND_BYTES_MAX} lower-case letters, digits, `-` and `_`")]
    Kind,
}

/// The number of a process: never given twice, on any host that shares a store.
///
/// Its high part is the moment at which the host started, so a number says roughly how old a process is. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(pub u64);

/// Crockford's alphabet: no letters that look like others.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 64 bits in digits of five.
const DIGITS_COUNT: usize = 13;

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; DIGITS_COUNT];
        for (at, digit) in text.iter_mut().rev().enumerate() {
            let five = usize::try_from((self.0 >> (at * 5)) & 31).unwrap_or(0);
            *digit = DIGITS.get(five).copied().unwrap_or(b'0');
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl FromStr for Number {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress::Pid(text.chars().filter(|c| !c.is_control()).take(80).collect());
        if text.len() != DIGITS_COUNT {
            return Err(invalid());
        }
        let mut number = 0_u64;
        for byte in text.bytes() {
            let five = DIGITS.iter().position(|digit| *digit == byte).ok_or_else(invalid)?;
            // The first digit has four bits: a fifth one would be lost.
            number = number.checked_mul(32).ok_or_else(invalid)?;
            number |= u64::try_from(five).unwrap_or(0);
        }
        Ok(Self(number))
    }
}

/// Names one process for as long as it lives, and nothing else ever. It reads and prints as `PLUGIN/KIND/NUMBER`. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    /// Whose process.
    pub plugin: PluginName,
    /// Of which of the plugin's kinds.
    pub kind: Arc<str>,
    /// Which one. It alone names the process; the rest says whom to ask.
    pub number: Number,
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.plugin, self.kind, self.number)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pid {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress::Pid(text.chars().filter(|c| !c.is_control()).take(80).collect());
        let mut parts = text.splitn(3, '/');
        let (Some(plugin), Some(kind), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid());
        };
        check_kind(kind).map_err(|_| invalid())?;
        Ok(Self {
            plugin: PluginName::new(plugin).map_err(|_| invalid())?,
            kind: kind.into(),
            number: number.parse().map_err(|_| invalid())?,
        })
    }
}

/// Which process. Whether the caller may reach it is for the host to check, before the engine is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// This one, and no other that has its name later.
    Pid(Pid),
    /// Whoever has this name when the message arrives.
    Name {
        /// Whose name.
        plugin: PluginName,
        /// The name there.
        name: String,
    },
}

impl Target {
    /// Whose process it is.
    #[must_use]
    pub const fn plugin(&self) -> &PluginName {
        match self {
            Self::Pid(pid) => &pid.plugin,
            Self::Name { plugin, .. } => plugin,
        }
    }
}

impl From<Pid> for Target {
    fn from(pid: Pid) -> Self {
        Self::Pid(pid)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => pid.fmt(f),
            Self::Name { plugin, name } => write!(f, "{plugin}/{name}"),
        }
    }
}

/// Whether this can be the name of a process.
///
/// # Errors
/// [`InvalidAddress::Name`].
pub fn check_name(name: &str) -> Result<(), InvalidAddress> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(InvalidAddress::Name) }
}

/// Whether this can be the name of a kind.
///
/// # Errors
/// [`InvalidAddress::Kind`].
pub fn check_kind(kind: &str) -> Result<(), InvalidAddress> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let fits = (1..=KIND_BYTES_MAX).contains(&kind.len()) && kind.bytes().all(letter);
    if fits { Ok(()) } else { Err(InvalidAddress::Kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_reads_as_it_prints() {
        for number in [0, 1, 31, 32, 1 << 40, u64::MAX, 0x0123_4567_89ab_cdef] {
            let pid = Pid { plugin: PluginName::new("shop").unwrap(), kind: "cart".into(), number: Number(number) };
            assert_eq!(pid.to_string().parse::<Pid>().unwrap(), pid, "{number}");
        }
        let zero = "0".repeat(13);
        for bad in ["", "shop", "shop/cart", "shop/cart/1", "Shop/cart/x", "shop/ca rt/x"] {
            assert!(bad.parse::<Pid>().is_err(), "{bad}");
        }
        for bad in [format!("shop//{zero}"), format!("shop/cart/{zero}/"), format!("shop/cart/g{}", "0".repeat(12))] {
            assert!(bad.parse::<Pid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_kinds_have_rules() {
        assert!(check_name("cart:42 ä").is_ok() && check_name(&"x".repeat(256)).is_ok());
        assert!(check_name("").is_err() && check_name("a\nb").is_err() && check_name(&"x".repeat(257)).is_err());
        assert!(check_kind("cart_2-b").is_ok() && check_kind("Cart").is_err() && check_kind("").is_err());
    }
}
