//! What the commands about queues and schedules take.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = "Without a command it lists all queues.\n\n\
                        Examples:\n  skep queues\n  skep queues pause shop/mail\n  skep queues scale shop/mail 50")]
pub(crate) struct Queues {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<QueuesCommand>,
}

#[derive(Subcommand)]
pub(crate) enum QueuesCommand {
    /// List queues: jobs by state, and how many are at work here
    Ls {
        /// Only those of this plugin
        plugin: Option<String>,
    },
    /// Begin no more jobs of a queue; what runs runs on
    #[command(
        after_help = "It stays so over restarts, until `skep queues resume`. Jobs can be inserted all the while."
    )]
    Pause {
        /// The queue
        #[arg(value_name = "PLUGIN/QUEUE")]
        queue: String,
    },
    /// Let a queue that was paused go on
    Resume {
        /// The queue
        #[arg(value_name = "PLUGIN/QUEUE")]
        queue: String,
    },
    /// Set how many jobs of a queue are at work at once on each node
    #[command(after_help = "It stays so over restarts and reloads, until `--reset`. What runs runs on.")]
    Scale {
        /// The queue
        #[arg(value_name = "PLUGIN/QUEUE")]
        queue: String,
        /// How many
        #[arg(required_unless_present = "reset")]
        concurrency: Option<u32>,
        /// As many as the manifest says
        #[arg(long, conflicts_with = "concurrency")]
        reset: bool,
    },
}

#[derive(Args)]
#[command(after_help = "Without a command it lists all schedules.\n\nExample:\n  skep cron run shop/nightly")]
pub(crate) struct Cron {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<CronCommand>,
}

#[derive(Subcommand)]
pub(crate) enum CronCommand {
    /// List schedules: when they tick, and the job that they insert
    Ls {
        /// Only those of this plugin
        plugin: Option<String>,
    },
    /// Insert the job of a schedule now; its ticks stay as they are
    Run {
        /// The schedule
        #[arg(value_name = "PLUGIN/NAME")]
        schedule: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn a_list_needs_no_word_and_a_scale_needs_a_number() {
        let parses = |line: &str| Cli::try_parse_from(line.split_whitespace()).is_ok();
        for line in [
            "skep queues",
            "skep queues --json",
            "skep queues ls shop --json",
            "skep queues scale shop/mail 50",
            "skep queues scale shop/mail --reset",
            "skep cron --dir x",
            "skep cron ls shop",
            "skep cron run shop/nightly --json",
        ] {
            assert!(parses(line), "{line}");
        }
        for line in [
            "skep queues scale shop/mail",
            "skep queues scale shop/mail 5 --reset",
            "skep queues scale shop/mail -1",
            "skep queues pause",
            "skep cron run",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
