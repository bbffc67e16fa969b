//! What `skep cache` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = "Example:\n  skep cache get shop/sessions user:42")]
pub(crate) struct Cache {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Subcommand)]
pub(crate) enum CacheCommand {
    /// List all buckets
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a bucket counted since it was created
    Stats {
        /// The bucket
        #[arg(value_name = "PLUGIN/BUCKET")]
        bucket: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List keys, in no order
    Keys {
        /// The bucket
        #[arg(value_name = "PLUGIN/BUCKET")]
        bucket: String,
        /// Only keys that start with this
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
        /// No more than so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a value: text as it is, anything else in hexadecimal
    #[command(after_help = "It counts as a read: an entry of a bucket with `idle` lives on.")]
    Get {
        /// The bucket
        #[arg(value_name = "PLUGIN/BUCKET")]
        bucket: String,
        /// The key
        key: String,
        /// Write the bytes as they are
        #[arg(long, conflicts_with_all = ["entry", "json"])]
        raw: bool,
        /// Show version, time left and length too
        #[arg(long)]
        entry: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an entry
    Del {
        /// The bucket
        #[arg(value_name = "PLUGIN/BUCKET")]
        bucket: String,
        /// The key
        key: String,
    },
    /// Remove all entries of a bucket
    Clear {
        /// The bucket
        #[arg(value_name = "PLUGIN/BUCKET")]
        bucket: String,
    },
}
