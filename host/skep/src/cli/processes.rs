//! What the commands about processes take.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, value_parser};
use skep_admin::api::{ProcessFilter, ProcessSort, ProcessState};

use super::OfNode;

/// What of `skep ps` is about processes.
#[derive(Args)]
pub(crate) struct PsProcesses {
    /// Show processes: what they do, who waits for them, what they take
    #[arg(long, conflicts_with = "tree")]
    pub(crate) processes: bool,
    /// Show kinds of processes, and how many do what
    #[arg(long, conflicts_with_all = ["tree", "processes", "kind", "prefix", "state", "sort", "limit"])]
    pub(crate) kinds: bool,
    /// Only processes of this kind
    #[arg(long, requires = "processes")]
    kind: Option<String>,
    /// Only processes whose names begin so
    #[arg(long, requires = "processes")]
    prefix: Option<String>,
    /// Only processes in this state
    #[arg(long, requires = "processes", value_parser = states())]
    state: Option<ProcessState>,
    /// The order of processes: names from the first on, numbers from the largest on; `name` if nothing is said
    #[arg(long, requires = "processes", value_parser = sorts())]
    sort: Option<ProcessSort>,
    /// No more processes than so many; 100 if nothing is said
    #[arg(long, requires = "processes")]
    limit: Option<usize>,
}

impl PsProcesses {
    /// Which processes of a plugin, or of all.
    pub(crate) fn filter(&self, plugin: Option<String>) -> ProcessFilter {
        ProcessFilter { plugin, kind: self.kind.clone(), prefix: self.prefix.clone(), state: self.state }
    }

    pub(crate) fn sort(&self) -> ProcessSort {
        self.sort.unwrap_or_default()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(100)
    }
}

fn states() -> impl TypedValueParser<Value = ProcessState> {
    PossibleValuesParser::new(ProcessState::ALL.map(ProcessState::as_str)).try_map(|word| word.parse::<ProcessState>())
}

fn sorts() -> impl TypedValueParser<Value = ProcessSort> {
    PossibleValuesParser::new(ProcessSort::ALL.map(ProcessSort::as_str)).try_map(|word| word.parse::<ProcessSort>())
}

#[derive(Args)]
#[command(after_help = "It is not woken for that.\n\nExample:\n  skep inspect shop/cart:42")]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The process, as `skep ps --processes` shows it
    #[arg(value_name = "PID|PLUGIN/NAME")]
    pub(crate) process: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(
    after_help = "A kill is a crash: the message in hand is lost, and the process is started again if its kind says so, \
                        with its name, mailbox and timers. It asks before it does anything, unless it is told `--yes`.\n\n\
                        Examples:\n  skep kill shop/cart:42\n  skep kill shop/cart/0c9k3v8d4m000 --for-good --yes"
)]
pub(crate) struct Kill {
    #[command(flatten)]
    pub(crate) which: WhichProcess,
    /// End it in order and for good: it is not started again, and what is kept of it is deleted
    #[arg(long)]
    pub(crate) for_good: bool,
}

#[derive(Args)]
#[command(
    after_help = "It is killed and started again, whatever its kind and its budget say; one that backs off, gave up or is \
                        quarantined is tried again. It asks before it does anything, unless it is told `--yes`.\n\n\
                        Example:\n  skep restart shop/cart:42"
)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) which: WhichProcess,
}

/// A process that something is done with.
#[derive(Args)]
pub(crate) struct WhichProcess {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The process, as `skep ps --processes` shows it
    #[arg(value_name = "PID|PLUGIN/NAME")]
    pub(crate) process: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Keys: q quits, s and S change the order, / filters, arrows choose a process, k kills it after a y.\n\n\
                        Example:\n  skep top shop/cart: --sort mailbox"
)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// Only processes whose names begin so, of one plugin or of all
    #[arg(value_name = "PLUGIN/PREFIX|PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
    /// The order of processes
    #[arg(long, value_parser = sorts(), default_value = ProcessSort::Messages.as_str())]
    pub(crate) sort: ProcessSort,
    /// Seconds between two looks at the node
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = value_parser!(u64).range(1..=3600))]
    every: u64,
}

impl Top {
    pub(crate) fn every(&self) -> Duration {
        Duration::from_secs(self.every)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, Ps};

    fn parsed(line: &str) -> Result<Command, String> {
        let cli = Cli::try_parse_from(line.split_whitespace());
        cli.map(|cli| cli.command).map_err(|error| error.to_string())
    }

    fn ps(line: &str) -> Ps {
        match parsed(line) {
            Ok(Command::Ps(ps)) => ps,
            Ok(_) => panic!("`{line}` is another command"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_said_of_processes_is_about_processes() {
        let all = ps("skep ps --processes");
        assert_eq!(all.processes.filter(all.plugin), ProcessFilter::default());
        assert_eq!((all.processes.sort, all.processes.limit), (None, None));
        let some =
            ps("skep ps shop --processes --kind cart --prefix cart: --state gave-up --sort mailbox --limit 5 --json");
        assert_eq!((some.processes.sort(), some.processes.limit()), (ProcessSort::Mailbox, 5));
        let filter = some.processes.filter(some.plugin);
        assert_eq!((filter.plugin.as_deref(), filter.kind.as_deref()), (Some("shop"), Some("cart")));
        assert_eq!((filter.prefix.as_deref(), filter.state), (Some("cart:"), Some(ProcessState::GaveUp)));
        assert!(ps("skep ps --kinds shop").processes.kinds);
        assert!(!ps("skep ps shop").processes.processes);
        for line in [
            "skep ps --sort mailbox",
            "skep ps shop --state idle",
            "skep ps --kinds --limit 5",
            "skep ps --processes --tree",
            "skep ps --tree --sort name",
            "skep ps --processes --kinds",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
        let Err(error) = parsed("skep ps --processes --sort cpu") else { panic!("there is no such order") };
        assert!(error.contains("name, mailbox, memory, messages, crashes"), "{error}");
    }

    #[test]
    fn one_process_at_a_time_is_killed() {
        let Ok(Command::Kill(kill)) = parsed("skep kill shop/cart:42 --for-good -y --dir x") else {
            panic!("it is right")
        };
        assert!(kill.for_good && kill.which.yes && kill.which.process == "shop/cart:42");
        let Ok(Command::Restart(restart)) = parsed("skep restart shop/main --json") else { panic!("it is right") };
        assert!(!restart.which.yes && restart.which.json);
        for line in ["skep kill", "skep kill shop/a shop/b", "skep restart", "skep restart shop/a --for-good"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_screen_begins_with_who_did_most() {
        let Ok(Command::Top(top)) = parsed("skep top") else { panic!("it is right") };
        assert_eq!((top.sort, top.filter.as_str(), top.every()), (ProcessSort::Messages, "", Duration::from_secs(1)));
        let Ok(Command::Top(top)) = parsed("skep top shop/ --sort crashes --every 5") else { panic!("it is right") };
        assert_eq!(
            (top.sort, top.filter.as_str(), top.every()),
            (ProcessSort::Crashes, "shop/", Duration::from_secs(5))
        );
        assert!(parsed("skep top --every 0").is_err());
    }
}
