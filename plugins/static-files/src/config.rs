//! The variables that configure the server.

use std::fmt;
use std::path::PathBuf;

use crate::path;

/// How files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `ROOT`: the folder of the files, as the guest sees it. Default `/public`.
    pub root: PathBuf,
    /// `PREFIX`: what to take off a request's path, in parts. Default: nothing.
    pub prefix: Vec<String>,
    /// `SPA`: the file, named from the root, that answers for unknown paths without an extension. Default: none.
    pub spa: Option<String>,
    /// `CACHE_CONTROL`: what caches are told of a file. Default `no-cache`: keep it, but ask before each use.
    pub cache_control: String,
    /// `IMMUTABLE`: files that never change under their name.
    pub immutable: Vec<Pattern>,
    /// `HIDDEN=allow`: whether names with a dot in front are served. Default false.
    pub hidden: bool,
}

/// A file's name, or the beginning of one: `/logo.svg`, `/assets/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This file.
    Exactly(String),
    /// All files whose name starts so.
    Prefix(String),
}

/// A variable that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    variable: &'static str,
    wants: &'static str,
}

impl Config {
    /// Reads the variables; an empty one is as good as none.
    ///
    /// # Errors
    ///
    /// If one has a value that it cannot have.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let prefix = variable("PREFIX").unwrap_or_default();
        Ok(Self {
            root: variable("ROOT").unwrap_or_else(|| "/public".to_owned()).into(),
            prefix: parts("PREFIX", &prefix)?,
            spa: variable("SPA").map(|name| Ok(parts("SPA", &name)?.join("/"))).transpose()?,
            cache_control: cache_control(variable("CACHE_CONTROL"))?,
            immutable: immutable(&variable("IMMUTABLE").unwrap_or_default())?,
            hidden: match variable("HIDDEN").as_deref() {
                None | Some("deny") => false,
                Some("allow") => true,
                Some(_) => return Err(Error { variable: "HIDDEN", wants: "`allow` or `deny`" }),
            },
        })
    }

    /// The `Cache-Control` of a file, named from the root without a slash in front.
    pub(crate) fn cache_control(&self, name: &str) -> &str {
        let matches = |pattern: &Pattern| match pattern {
            Pattern::Exactly(wanted) => name == wanted,
            Pattern::Prefix(prefix) => name.starts_with(prefix),
        };
        if self.immutable.iter().any(matches) { "public, max-age=31536000, immutable" } else { &self.cache_control }
    }
}

/// The parts of a path that an operator wrote; slashes at its ends do not matter.
fn parts(variable: &'static str, text: &str) -> Result<Vec<String>, Error> {
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<_> = text.split('/').map(str::to_owned).collect();
    if parts.iter().all(|part| path::is_plain(part)) {
        Ok(parts)
    } else {
        Err(Error { variable, wants: "a path without empty parts, `.`, `..` and backslashes" })
    }
}

fn cache_control(value: Option<String>) -> Result<String, Error> {
    let value = value.unwrap_or_else(|| "no-cache".to_owned());
    // It goes into a header field as it is.
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(value)
    } else {
        Err(Error { variable: "CACHE_CONTROL", wants: "printable ASCII" })
    }
}

fn immutable(list: &str) -> Result<Vec<Pattern>, Error> {
    let wants = "a list of paths such as `/assets/*`, with `*` only at their ends";
    list.split([',', ' '])
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| {
            let name = pattern.strip_prefix('/').ok_or(Error { variable: "IMMUTABLE", wants })?;
            let (name, open) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
            if name.contains('*') {
                return Err(Error { variable: "IMMUTABLE", wants });
            }
            Ok(if open { Pattern::Prefix(name.to_owned()) } else { Pattern::Exactly(name.to_owned()) })
        })
        .collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {} wants {}", self.variable, self.wants)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, Error> {
        Config::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn defaults_are_strict() {
        let config = read(&[("SPA", "")]).unwrap();
        assert_eq!(config.root, PathBuf::from("/public"));
        assert_eq!((config.spa.as_deref(), config.hidden), (None, false));
        assert_eq!(config.cache_control("index.html"), "no-cache");
    }

    #[test]
    fn patterns_name_files_or_their_beginnings() {
        let config = read(&[("IMMUTABLE", "/assets/*, /logo.svg"), ("CACHE_CONTROL", "max-age=60")]).unwrap();
        let immutable = "public, max-age=31536000, immutable";
        for (name, expected) in [
            ("assets/app.js", immutable),
            ("logo.svg", immutable),
            ("logo.svg.txt", "max-age=60"),
            ("other/assets/app.js", "max-age=60"),
        ] {
            assert_eq!(config.cache_control(name), expected, "{name}");
        }
    }

    #[test]
    fn slashes_around_paths_do_not_matter() {
        let config = read(&[("PREFIX", "/docs/v1/"), ("SPA", "/app/index.html")]).unwrap();
        assert_eq!(config.prefix, ["docs", "v1"]);
        assert_eq!(config.spa.as_deref(), Some("app/index.html"));
    }

    #[test]
    fn nonsense_names_its_variable() {
        for (variable, value) in [
            ("HIDDEN", "yes"),
            ("SPA", "../secret"),
            ("PREFIX", "a//b"),
            ("IMMUTABLE", "assets/*"),
            ("IMMUTABLE", "/*.js"),
            ("CACHE_CONTROL", "a\r\nSet-Cookie: b"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err().variable, variable, "{value:?}");
        }
    }
}
