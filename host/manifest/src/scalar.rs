//! How single values, lists and maps are read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use skep_types::{ByteSize, PluginName};
use toml::Value;

use crate::duration;
use crate::read::{Item, Quantity, Read, join};

impl Read for bool {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.value.as_bool().or_else(|| item.expected("true or false"))
    }
}

impl Read for u64 {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::Integer(number) = item.value else { return item.expected("a whole number") };
        Self::try_from(*number).ok().or_else(|| item.fail("cannot be negative"))
    }
}

impl Read for u32 {
    fn read(item: &Item<'_>) -> Option<Self> {
        Self::try_from(u64::read(item)?).ok().or_else(|| item.fail(format!("must be at most {}", Self::MAX)))
    }
}

impl Read for usize {
    fn read(item: &Item<'_>) -> Option<Self> {
        Self::try_from(u64::read(item)?).ok().or_else(|| item.fail(format!("must be at most {}", Self::MAX)))
    }
}

impl Read for String {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("a string") };
        // A NUL ends a string in every system call and in every guest's C library.
        if text.contains('\0') {
            return item.fail("cannot contain a NUL");
        }
        Some(text.clone())
    }
}

impl Read for PathBuf {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?;
        if text.is_empty() {
            return item.fail("is empty; write a path, relative to the manifest's folder");
        }
        Some(item.reading.resolve(&text))
    }
}

impl Read for Duration {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("a duration such as \"10s\"") };
        duration::parse(text).map_or_else(|error| item.fail(error.to_string()), Some)
    }
}

impl Read for ByteSize {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::Integer(_) => u64::read(item).map(Self),
            _ => item.parse("a size such as \"64MiB\" or a number of bytes"),
        }
    }
}

impl Read for SocketAddr {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("an address such as \"127.0.0.1:8080\"") };
        text.parse().ok().or_else(|| {
            item.fail(format!("`{text}` is not an address: write an IP address and a port, such as \"127.0.0.1:8080\""))
        })
    }
}

impl Read for IpNet {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("a network such as \"10.0.0.0/8\"") };
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(Self::from));
        let net = net.ok().map(|net| net.trunc());
        net.or_else(|| item.fail(format!("`{text}` is not a network: write \"10.0.0.0/8\" or one address")))
    }
}

impl Read for PluginName {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("a plugin's name") };
        Self::new(text).map_or_else(|error| item.fail(error.to_string()), Some)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::Array(array) = item.value else { return item.expected("an array") };
        let elements = array.iter().enumerate();
        let read: Vec<_> =
            elements.map(|(at, value)| T::read(&item.child(format!("{}[{at}]", item.path), value))).collect();
        // Collected in two steps, so that every bad element is reported and not only the first.
        read.into_iter().collect()
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::Table(table) = item.value else { return item.expected("a table") };
        let pairs: Vec<_> = table
            .iter()
            .map(|(key, value)| Some((key.clone(), T::read(&item.child(join(&item.path, key), value))?)))
            .collect();
        pairs.into_iter().collect()
    }
}

/// One value, or an array of them.
pub(crate) struct OneOrSeveral<T>(pub(crate) Vec<T>);

impl<T: Read> Read for OneOrSeveral<T> {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::Array(_) => Vec::read(item).map(Self),
            _ => T::read(item).map(|one| Self(vec![one])),
        }
    }
}

/// A string for a guest, where numbers and truth values may go without quotes.
pub(crate) struct Text(pub(crate) String);

impl Read for Text {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::Integer(number) => Some(Self(number.to_string())),
            Value::Boolean(truth) => Some(Self(truth.to_string())),
            Value::String(_) => String::read(item).map(Self),
            // How a fraction or a date prints is a choice that is the author's.
            _ => item.expected("a string, a whole number, true or false"),
        }
    }
}

impl Quantity for u64 {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for u32 {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for usize {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for ByteSize {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for Duration {
    fn show(self) -> String {
        duration::show(self)
    }
}
