//! What `skep store` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  skep store usage\n  skep store get shop cart:42\n  skep store backup /var/backups/skep.db\n  skep store copy --yes"
)]
pub(crate) struct Store {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Show what each plugin uses, and its quota
    Usage,
    /// List a plugin's keys, in the order of their bytes
    Ls {
        /// The plugin
        plugin: String,
        /// Only keys that start with this
        #[arg(default_value = "", hide_default_value = true)]
        prefix: String,
        /// No more than so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Print a value: text as it is, anything else in hexadecimal
    Get {
        /// The plugin
        plugin: String,
        /// The key
        key: String,
        /// Write the bytes as they are
        #[arg(long, conflicts_with_all = ["item", "json"])]
        raw: bool,
        /// Show version, end and length too
        #[arg(long)]
        item: bool,
    },
    /// Have the node write a copy of its store, as it is at one moment, while it goes on
    #[command(
        after_help = "The node writes it, with its own rights, to a file that is not there yet. To go back to it, stop the node, \
                      take all of the store's files away and put the copy in the place of the main one."
    )]
    Backup {
        /// The file to write, on the node's host
        file: PathBuf,
    },
    /// Copy the store of a stopped node from its SQLite file to the PostgreSQL that the manifest names
    #[command(
        after_help = "Stop the node, write the PostgreSQL's `url` into `[host.store]`, copy, and start the node. All of the store is \
                      copied or nothing of it, into a schema that is empty or not there yet. The file stays as it is: there is no \
                      way back but to it. It asks before it does anything, unless it is told `--yes`."
    )]
    Copy {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}
