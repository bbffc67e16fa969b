//! Processes that are there whenever their plugin is.

use toml::Value;

use crate::json;
use crate::read::{Item, Read};

/// As the longest name of a process.
const NAME_BYTES_MAX: usize = 256;
/// They are started one after the other, and all before the plugin is there.
const START_MAX: usize = 1000;
/// What a process is told at its start fits on some pages; more belongs into the store.
const ARGS_BYTES_MAX: usize = 64 << 10;

/// A process that the host starts with the plugin, and supervises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticProcess {
    /// Its name, 1 to 256 bytes without control characters; there is one of them in the plugin. Required.
    pub name: String,
    /// What its `init` gets, as JSON; at most 64 KiB. Default `null`: nothing.
    pub args: String,
}

/// Which processes of `start` are started again with one that fails; the words are OTP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// It alone.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// It, and those that were started after it.
    RestForOne,
}

/// Reads the processes that are to be started.
pub(super) fn read(item: &Item<'_>) -> Option<Vec<StaticProcess>> {
    let Value::Array(array) = item.value else {
        return item.expected("an array such as [\"main\", { name = \"eu\", args = { region = \"eu\" } }]");
    };
    if array.len() > START_MAX {
        return item.fail(format!("has {} processes; at most {START_MAX} are started with a plugin", array.len()));
    }
    Vec::read(item)
}

impl Read for StaticProcess {
    fn read(item: &Item<'_>) -> Option<Self> {
        const NOTHING: &str = "null";
        match item.value {
            Value::String(_) => Some(Self { name: read_name(item)?, args: NOTHING.to_owned() }),
            Value::Table(_) => {
                let mut table = item.section()?;
                let name: Option<Name> = table.require("name", "missing; write the name that it is reached by");
                let args = table.item("args").map_or_else(|| Some(NOTHING.to_owned()), |args| read_args(&args));
                table.finish();
                Some(Self { name: name?.0, args: args? })
            }
            _ => item.expected("a name, or a table such as { name = \"main\", args = {} }"),
        }
    }
}

struct Name(String);

impl Read for Name {
    fn read(item: &Item<'_>) -> Option<Self> {
        read_name(item).map(Self)
    }
}

fn read_name(item: &Item<'_>) -> Option<String> {
    let Value::String(name) = item.value else { return item.expected("a process's name") };
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Some(name.clone());
    }
    item.fail(format!("is not a process's name: use 1 to {NAME_BYTES_MAX} bytes without control characters"))
}

fn read_args(item: &Item<'_>) -> Option<String> {
    json::read(item, ARGS_BYTES_MAX, "a process")
}

impl Read for Strategy {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[
            ("one-for-one", Self::OneForOne),
            ("one-for-all", Self::OneForAll),
            ("rest-for-one", Self::RestForOne),
        ])
    }
}
