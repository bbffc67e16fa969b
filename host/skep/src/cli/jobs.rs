//! What `skep jobs` takes.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use skep_admin::api::{JobFilter, JobState};

#[derive(Args)]
#[command(
    after_help = "A job is scheduled or available, executing, and then completed, cancelled or discarded (it failed for the last \
                  time); in between it may be retryable (it failed, and waits for its next attempt) or suspended (it waits for \
                  other jobs, or for a revision that knows its name).\n\n\
                  Examples:\n  skep jobs ls --plugin shop --state discarded\n  skep jobs show 42\n  \
                  skep jobs retry --queue mail --state discarded"
)]
pub(crate) struct Jobs {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: JobsCommand,
}

#[derive(Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, the newest first
    Ls(List),
    /// Show all that is known of a job: arguments, output, how its attempts failed
    Show {
        /// Its number
        id: u64,
        /// Show arguments and output in full, however long they are
        #[arg(long)]
        full: bool,
        /// Write only this, its bytes as they are
        #[arg(long, value_enum, value_name = "PART", conflicts_with_all = ["full", "json"])]
        raw: Option<Part>,
    },
    /// Make jobs available at once that have ended, are scheduled or retryable
    #[command(after_help = "A job without attempts left has one more. A job that completed is done once more.\n\n\
                            Examples:\n  skep jobs retry 42 43\n  skep jobs retry --plugin shop --state discarded")]
    Retry(Which),
    /// Cancel jobs that have not ended; attempts at work are stopped
    #[command(after_help = "What an attempt did until then is done; cancelled jobs can be retried.\n\n\
                            Examples:\n  skep jobs cancel 42\n  skep jobs cancel --queue mail --name welcome")]
    Cancel(Which),
    /// Delete jobs that have ended, before they are pruned
    #[command(after_help = "One that has not ended is left: cancel it first.\n\n\
                            Example:\n  skep jobs delete --plugin shop --state cancelled")]
    Delete(Which),
}

/// What of a job is written as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// What it is given
    Args,
    /// What it returned
    Output,
}

#[derive(Args)]
pub(crate) struct Filter {
    /// Only those of this plugin
    #[arg(long)]
    plugin: Option<String>,
    /// Only those in queues of this name
    #[arg(long)]
    queue: Option<String>,
    /// Only those of this name
    #[arg(long)]
    name: Option<String>,
    /// Only those in this state
    #[arg(long, value_parser = states())]
    state: Option<JobState>,
}

fn states() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str)).try_map(|word| word.parse::<JobState>())
}

impl From<Filter> for JobFilter {
    fn from(Filter { plugin, queue, name, state }: Filter) -> Self {
        Self { plugin, queue, name, state, id: None }
    }
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Begin behind this job: only older ones
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<u64>,
    /// No more than so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
}

/// By number, by what they have in common, or all: one of the three, so that nothing is changed by a word left out.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["ids", "plugin", "queue", "name", "state", "all"]))]
pub(crate) struct Which {
    /// The jobs' numbers
    #[arg(value_name = "ID", conflicts_with_all = ["plugin", "queue", "name", "state", "all"])]
    pub(crate) ids: Vec<u64>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All jobs of all plugins
    #[arg(long, conflicts_with_all = ["plugin", "queue", "name", "state"])]
    pub(crate) all: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Result<JobsCommand, String> {
        match Cli::try_parse_from(line.split_whitespace()) {
            Ok(Cli { command: Command::Jobs(jobs), .. }) => Ok(jobs.command),
            Ok(_) => panic!("`{line}` is another command"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn many_jobs_are_changed_only_if_it_is_said_which() {
        for line in [
            "skep jobs retry",
            "skep jobs cancel 1 --plugin shop",
            "skep jobs delete --all --state completed",
            "skep jobs delete 1 --all",
            "skep jobs cancel x",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
        let Ok(JobsCommand::Retry(which)) = parsed("skep jobs retry 7 8") else { panic!("these two") };
        assert_eq!(which.ids, [7, 8]);
        let Ok(JobsCommand::Cancel(which)) = parsed("skep jobs cancel --queue mail --state retryable") else {
            panic!("these of a queue")
        };
        let filter = JobFilter::from(which.filter);
        assert_eq!((filter.queue.as_deref(), filter.state), (Some("mail"), Some(JobState::Retryable)));
        let Ok(JobsCommand::Delete(which)) = parsed("skep jobs delete --all --json --dir x") else { panic!("all") };
        assert!(which.all && JobFilter::from(which.filter).is_empty());
    }

    #[test]
    fn a_wrong_state_is_told_which_there_are() {
        let Err(error) = parsed("skep jobs ls --state done") else { panic!("there is no such state") };
        assert!(error.contains("suspended, scheduled, available"), "{error}");
        let Ok(JobsCommand::Show { id, raw, .. }) = parsed("skep jobs show 7 --raw output") else {
            panic!("it is right")
        };
        assert_eq!((id, raw), (7, Some(Part::Output)));
    }
}
