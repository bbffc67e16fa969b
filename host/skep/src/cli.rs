//! What the command line takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cache::{Cache, CacheCommand};
pub(crate) use jobs::{Jobs, JobsCommand, List, Part, Which};
pub(crate) use processes::{Inspect, Kill, PsProcesses, Restart, Top, WhichProcess};
pub(crate) use queues::{Cron, CronCommand, Queues, QueuesCommand};
pub(crate) use sockets::{SocketList, Sockets, SocketsCommand};
pub(crate) use sql::{Sql, SqlCommand};
pub(crate) use store::{Store, StoreCommand};
pub(crate) use supervision::{Dead, DeadCommand, Events, OfSubscription, Resume};
pub(crate) use topics::{Presence, Publish, Tail, Topics};

mod cache;
mod jobs;
mod processes;
mod queues;
mod sockets;
mod sql;
mod store;
mod supervision;
mod topics;

/// Runs WebAssembly plugins as isolated, limited handlers and reloads them without a failed request.
#[derive(Parser)]
#[command(
    name = "skep",
    version,
    about,
    max_term_width = 100,
    after_help = "Start here:\n  skep new hello && skep up hello"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "SKEP_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new plugin in Rust
    #[command(after_help = "Examples:\n  skep new hello && skep up hello\n  \
                            skep new hello --sdk ../skep/guest-sdk")]
    New(New),
    /// Run the build commands of a manifest's plugins
    #[command(after_help = "A plugin whose `needs` are not installed is skipped; a build that fails ends the command.")]
    Build(Dir),
    /// Build, serve, and reload whatever changes: for development
    #[command(
        after_help = "A plugin that does not build is shown, the others serve. Errors are explained in the browser."
    )]
    Up(Serving),
    /// Serve what is built: for production
    #[command(after_help = "Nothing is built or watched. Exits with an error unless every plugin loads.\n\
                            SIGHUP reads the manifest again, SIGTERM drains and ends.")]
    Serve(Serving),
    /// Serve one component at `/` with default limits and no grants
    #[command(
        after_help = "What it keeps is in `.skep/run/` beside the component. Errors are explained in the browser.\n\n\
                            Example:\n  skep run target/wasm32-wasip2/release/hello.wasm --listen 127.0.0.1:3000"
    )]
    Run(Run),
    /// Check a manifest, and the components that are built, without serving
    #[command(
        after_help = "Looks at keys and values, secrets, TLS files, migrations, and what the components export.\n\
                            Exits with 1 if something is wrong; what is not built yet is not."
    )]
    Check(Dir),
    /// List plugins and their revisions, processes, or what is supervised
    #[command(after_help = "Examples:\n  skep ps\n  skep ps shop\n  skep ps --tree\n  \
                            skep ps --processes --sort mailbox\n  skep ps shop --processes --prefix cart:")]
    Ps(Ps),
    /// Watch a node in the terminal: plugins, processes, jobs, once a second
    Top(Top),
    /// Follow what guests print and what the host says of their calls
    #[command(
        after_help = "Calls that failed have a line; all calls and requests do with `access_log = true` in [host].\n\
                            A follower that is too slow for 1,024 lines loses the oldest, and is told how many.\n\n\
                            Example:\n  skep logs -f shop"
    )]
    Logs(Logs),
    /// Put a component in service, without a failed request
    #[command(
        after_help = "The component stays in service over restarts, until the plugin's entry in skep.toml changes.\n\n\
                      Example:\n  skep deploy shop target/wasm32-wasip2/release/shop.wasm"
    )]
    Deploy(Deploy),
    /// Go back to the revision before, or to a named one
    #[command(after_help = "`skep ps PLUGIN` lists the kept ones.\n\nExamples:\n  skep rollback shop\n  \
                            skep rollback shop --to 19a947")]
    Rollback(Rollback),
    /// Look into the buckets of a running node: list, read, delete, clear
    Cache(Cache),
    /// Look into the databases of a running node: list, migrations, ask
    Sql(Sql),
    /// List topics that somebody listens to, or that are retained
    Topics(Topics),
    /// List who is present in a topic
    Presence(Presence),
    /// Publish a message on a topic
    Publish(Publish),
    /// Follow the messages of a topic, or of all that begin so
    Tail(Tail),
    /// List the sockets of clients, what they have joined and what waits for them; disconnect some
    Sockets(Sockets),
    /// Show what happened in the supervision tree: starts, failures, restarts
    Events(Events),
    /// Have a supervisor that backs off or gave up try again now
    Resume(Resume),
    /// Look at messages whose subscriber failed for good; give them once more, or forget them
    Dead(Dead),
    /// Show all that is known of a process: what it waits for, timers, monitors, links
    Inspect(Inspect),
    /// Kill a process, which its kind may start again, or end it for good
    Kill(Kill),
    /// Kill a process and start it again, also one that gave up or is quarantined
    Restart(Restart),
    /// Look at jobs: list, show; retry, cancel or delete them, one or many
    Jobs(Jobs),
    /// List the queues of jobs, and how full they are; pause, resume, scale
    Queues(Queues),
    /// List schedules with their last and next tick; run one now
    Cron(Cron),
    /// See what plugins keep in the store and how much; write a copy of it
    Store(Store),
    /// Have the node read its manifest again: all of it or nothing
    #[command(after_help = "Changes to [host] take a restart.")]
    Reload(Reload),
}

#[derive(Args)]
pub(crate) struct Dir {
    /// The folder of skep.toml, or the file itself
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The same as `--dir`
    #[arg(value_name = "DIR", conflicts_with = "dir")]
    pub(crate) place: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct OfNode {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct New {
    /// The folder to make; its name becomes the plugin's
    pub(crate) path: PathBuf,
    /// Where the plugin gets the SDK from: a version, or the path of a checkout's `guest-sdk`
    #[arg(long, value_name = "VERSION|PATH")]
    pub(crate) sdk: Option<String>,
}

#[derive(Args)]
pub(crate) struct Serving {
    #[command(flatten)]
    pub(crate) dir: Dir,
    /// Listen here instead of where the manifest says; may be given more than once
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Administer here instead of where the manifest says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The component
    pub(crate) file: PathBuf,
    /// Listen here
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<SocketAddr>,
}

#[derive(Args)]
pub(crate) struct Ps {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// Show the kept revisions of this plugin; its processes or kinds, where those are asked for
    pub(crate) plugin: Option<String>,
    /// Show the supervision tree: states, restarts, what failed
    #[arg(long, conflicts_with_all = ["plugin", "kind", "prefix", "state", "sort", "limit"])]
    pub(crate) tree: bool,
    #[command(flatten)]
    pub(crate) processes: PsProcesses,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// Only this plugin
    pub(crate) plugin: Option<String>,
    /// Follow, which is the only way there is: lines are not kept
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The plugin
    pub(crate) plugin: String,
    /// The component
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The plugin
    pub(crate) plugin: String,
    /// A kept revision, or the beginning of its id
    #[arg(long)]
    pub(crate) to: Option<String>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Cli::command().debug_assert();
    }
}
