//! What `skep sql` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = "Example:\n  skep sql query shop/main 'select count(*) from orders'")]
pub(crate) struct Sql {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(subcommand)]
    pub(crate) command: SqlCommand,
}

#[derive(Subcommand)]
pub(crate) enum SqlCommand {
    /// List all databases
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a database counted since it was opened
    Stats {
        /// The database
        #[arg(value_name = "PLUGIN/DATABASE")]
        database: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List a database's migrations: applied, pending, or ahead of the folder
    Migrations {
        /// The database
        #[arg(value_name = "PLUGIN/DATABASE")]
        database: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a database something; it may only read
    #[command(after_help = "The first 1,000 rows are printed, or 1 MiB of them. The limits are those of guests.")]
    Query {
        /// The database
        #[arg(value_name = "PLUGIN/DATABASE")]
        database: String,
        /// One statement
        #[arg(value_name = "SQL")]
        statement: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
