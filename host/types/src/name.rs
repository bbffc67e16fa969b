//! Names within a plugin: of its buckets, its databases, its handlers. They share one rule, and each is a type of its own.

/// How much of a wrong name an error repeats.
const SHOWN: usize = 80;

/// 1 to 64 lower-case letters, digits, `-` and `_`.
pub(crate) fn is_valid(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// What an error repeats of a text that somebody wrote: its beginning, on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// A newtype for such a name, and the error of a text that is none.
macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $Invalid:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(std::sync::Arc<str>);

        #[doc = concat!("A text that is not ", $what, ".")]
        #[derive(Debug, thiserror::Error)]
        #[error("`{0}` is not {what}: use 1 to 64 lower-case letters, digits, `-` and `_`", what = $what)]
        pub struct $Invalid(String);

        impl $Name {
            /// Checks a name.
            ///
            /// # Errors
            /// When the name breaks the rules above.
            pub fn new(name: &str) -> Result<Self, $Invalid> {
                if $crate::name::is_valid(name) { Ok(Self(name.into())) } else { Err($Invalid($crate::name::shown(name))) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $Name {
            type Err = $Invalid;

            fn from_str(name: &str) -> Result<Self, $Invalid> {
                Self::new(name)
            }
        }

        /// So that a map by name is asked with what a guest wrote.
        impl std::borrow::Borrow<str> for $Name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// A thing of a plugin in the whole host, and the error of a text that names none.
macro_rules! owned {
    ($(#[$doc:meta])* $Id:ident of $Name:ident or $InvalidName:ident, $Invalid:ident, $thing:literal, $example:literal) => {
        $(#[$doc])*
        ///
        /// It reads and prints as `owner/name`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Id {
            /// The plugin that declares it.
            pub owner: $crate::PluginName,
            /// Its name there.
            pub name: $Name,
        }

        #[doc = concat!("A text that names no ", $thing, ".")]
        #[derive(Debug, thiserror::Error)]
        pub enum $Invalid {
            /// There is no slash in it.
            #[error("`{0}` names no {thing}: write the plugin and its {thing}, as in \"{example}\"", thing = $thing, example = $example)]
            Slash(String),
            /// The part in front of the slash is no plugin.
            #[error(transparent)]
            Owner(#[from] $crate::id::InvalidName),
            /// The part behind the slash is no such name.
            #[error(transparent)]
            Name(#[from] $InvalidName),
        }

        impl std::str::FromStr for $Id {
            type Err = $Invalid;

            fn from_str(text: &str) -> Result<Self, $Invalid> {
                let (owner, name) = text.split_once('/').ok_or_else(|| $Invalid::Slash($crate::name::shown(text)))?;
                Ok(Self { owner: $crate::PluginName::new(owner)?, name: $Name::new(name)? })
            }
        }

        impl std::fmt::Display for $Id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}/{}", self.owner, self.name)
            }
        }
    };
}

name! {
    /// What a component calls one of its handlers, such as a subscription: 1 to 64 lower-case letters, digits, `-` and `_`.
    HandlerName, InvalidHandlerName, "a handler's name"
}

name! {
    /// The name of a cache bucket within its plugin: 1 to 64 lower-case letters, digits, `-` and `_`.
    BucketName, InvalidBucketName, "a bucket name"
}

owned! {
    /// A bucket in the whole host: whose it is, and its name there.
    BucketId of BucketName or InvalidBucketName, InvalidBucketId, "bucket", "shop/sessions"
}

name! {
    /// The name of an SQL database within its plugin: 1 to 64 lower-case letters, digits, `-` and `_`.
    DatabaseName, InvalidDatabaseName, "a database name"
}

owned! {
    /// A database in the whole host: whose it is, and its name there.
    DatabaseId of DatabaseName or InvalidDatabaseName, InvalidDatabaseId, "database", "shop/main"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "0", "on_order-2", &"x".repeat(64)] {
            assert_eq!(HandlerName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a/b", "a.b", "ä", "a\n", &"x".repeat(65)] {
            assert!(HandlerName::new(bad).is_err(), "{bad}");
        }
        let error = BucketName::new("a\nb").unwrap_err().to_string();
        assert_eq!(error, "`ab` is not a bucket name: use 1 to 64 lower-case letters, digits, `-` and `_`");
        assert!(DatabaseName::new(&"ä".repeat(1000)).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn ids_read_and_print() {
        assert_eq!("shop/my_cache".parse::<BucketId>().unwrap().to_string(), "shop/my_cache");
        for bad in ["", "shop", "shop/", "/a", "Shop/a", "shop/a/b"] {
            assert!(bad.parse::<DatabaseId>().is_err(), "{bad}");
        }
        let error = "shop".parse::<DatabaseId>().unwrap_err().to_string();
        assert_eq!(error, "`shop` names no database: write the plugin and its database, as in \"shop/main\"");
    }
}
