//! What the commands about supervision take.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OfNode;

#[derive(Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin behind the event of this number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<u64>,
    /// Print JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  skep resume host/shop/subscribers")]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The supervisor, as `skep ps --tree` shows it
    pub(crate) path: String,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  skep dead shop\n  skep dead retry shop on-order")]
pub(crate) struct Dead {
    /// The folder of the node's skep.toml, or the file itself
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only those of this plugin
    pub(crate) plugin: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<DeadCommand>,
}

#[derive(Subcommand)]
pub(crate) enum DeadCommand {
    /// Show the letters of a subscription, with the beginning of their data
    Show(OfSubscription),
    /// Forget the letters of a subscription
    Clear(OfSubscription),
    /// Give the letters of a subscription to it once more
    Retry(OfSubscription),
}

#[derive(Args)]
pub(crate) struct OfSubscription {
    /// The plugin
    #[arg(id = "of", value_name = "PLUGIN")]
    pub(crate) plugin: String,
    /// Its subscription
    pub(crate) subscription: String,
}
