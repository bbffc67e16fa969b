//! One module for each group of commands.

mod cache;
mod check;
mod dead;
mod events;
mod jobs;
mod new;
mod operate;
mod output;
mod processes;
mod queues;
mod serve;
mod sockets;
mod sql;
mod store;
mod time;
mod topics;
mod tree;

use crate::cli::{Cli, Command};
use crate::telemetry;

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::New(args) => new::run(&args),
        Command::Up(args) => serve::up(args, telemetry::logs(cli.log_format)).await,
        Command::Serve(args) => serve::serve(args, telemetry::logs(cli.log_format)).await,
        Command::Run(args) => serve::run(args, telemetry::logs(cli.log_format)).await,
        Command::Build(args) => {
            telemetry::logs(cli.log_format);
            check::build(&args).await
        }
        Command::Check(args) => check::check(&args),
        Command::Ps(args) => operate::ps(args).await,
        Command::Top(args) => processes::top(args).await,
        Command::Logs(args) => operate::logs(args).await,
        Command::Deploy(args) => operate::deploy(args).await,
        Command::Rollback(args) => operate::rollback(args).await,
        Command::Cache(args) => cache::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Topics(args) => topics::list(args).await,
        Command::Presence(args) => topics::presence(args).await,
        Command::Publish(args) => topics::publish(args).await,
        Command::Tail(args) => topics::tail(args).await,
        Command::Sockets(args) => sockets::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Resume(args) => tree::resume(args).await,
        Command::Dead(args) => dead::run(args).await,
        Command::Inspect(args) => processes::inspect(args).await,
        Command::Kill(args) => processes::kill(args).await,
        Command::Restart(args) => processes::restart(args).await,
        Command::Jobs(args) => jobs::run(args).await,
        Command::Queues(args) => queues::run(args).await,
        Command::Cron(args) => queues::cron(args).await,
        Command::Store(args) => store::run(args).await,
        Command::Reload(args) => operate::reload(args).await,
    }
}
