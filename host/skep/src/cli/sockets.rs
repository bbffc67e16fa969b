//! What the command about sockets takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use skep_admin::api::SocketFilter;

#[derive(Args)]
#[command(after_help = "Without a command it lists sockets, the one that was opened first in front.\n\n\
                        Examples:\n  skep sockets --plugin chat\n  skep sockets disconnect chat/user:42")]
pub(crate) struct Sockets {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) list: SocketList,
    #[command(subcommand)]
    pub(crate) command: Option<SocketsCommand>,
}

/// Which sockets are listed. It is said before the word `ls`, behind it, or without it.
#[derive(Args)]
pub(crate) struct SocketList {
    /// Only those that this plugin let in
    #[arg(long, global = true)]
    plugin: Option<String>,
    /// Only those of mounts that begin so
    #[arg(long, global = true, value_name = "PLUGIN/MOUNT")]
    mount: Option<String>,
    /// Only those of this name
    #[arg(long, global = true, value_name = "PLUGIN/NAME")]
    name: Option<String>,
    /// No more than so many; 100 if nothing is said
    #[arg(long, global = true)]
    limit: Option<usize>,
}

impl SocketList {
    /// Whether anything is said of a list.
    pub(crate) fn is_said(&self) -> bool {
        self.filter() != SocketFilter::default() || self.limit.is_some()
    }

    pub(crate) fn filter(&self) -> SocketFilter {
        SocketFilter { plugin: self.plugin.clone(), mount: self.mount.clone(), name: self.name.clone() }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(100)
    }
}

#[derive(Subcommand)]
pub(crate) enum SocketsCommand {
    /// List sockets: who, where, what they have joined, what waits for them
    Ls,
    /// Close a socket, or all of a name on all nodes
    #[command(after_help = "A Phoenix client comes back by itself, and its plugin decides again who may.\n\n\
                            Examples:\n  skep sockets disconnect 4f1d2c3b00000007\n  \
                            skep sockets disconnect chat/user:42")]
    Disconnect {
        /// The socket, or the name, as `skep sockets` shows them
        #[arg(value_name = "ID|PLUGIN/NAME")]
        which: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Result<Sockets, String> {
        match Cli::try_parse_from(line.split_whitespace()) {
            Ok(Cli { command: Command::Sockets(sockets), .. }) => Ok(sockets),
            Ok(_) => panic!("`{line}` is another command"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_list_is_narrowed_with_its_word_or_without() {
        let all = parsed("skep sockets").unwrap();
        assert!(all.command.is_none() && !all.list.is_said() && all.list.limit() == 100);
        let filter = SocketFilter {
            plugin: Some("chat".to_owned()),
            mount: Some("chat/so".to_owned()),
            name: Some("chat/user:1".to_owned()),
        };
        let narrow = "--plugin chat --mount chat/so --name chat/user:1 --limit 5 --json --dir x";
        for line in
            [format!("skep sockets {narrow}"), format!("skep sockets ls {narrow}"), format!("skep sockets {narrow} ls")]
        {
            let some = parsed(&line).unwrap();
            assert_eq!((some.list.filter(), some.list.limit()), (filter.clone(), 5), "{line}");
            assert!(some.json && some.dir.as_os_str() == "x", "{line}");
            assert!(!matches!(some.command, Some(SocketsCommand::Disconnect { .. })), "{line}");
        }
        for word in ["--plugin chat", "--mount chat/so", "--name chat/user:1", "--limit 5"] {
            assert!(parsed(&format!("skep sockets ls {word}")).unwrap().list.is_said(), "{word}");
        }
    }

    #[test]
    fn one_word_says_who_is_disconnected() {
        let one = parsed("skep sockets disconnect chat/user:1 --json").unwrap();
        let Some(SocketsCommand::Disconnect { which }) = one.command else { panic!("it is right") };
        assert_eq!(which, "chat/user:1");
        for line in
            ["skep sockets disconnect", "skep sockets disconnect a b", "skep sockets chat", "skep sockets ls chat"]
        {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
