//! What the commands about topics take.

use clap::Args;

use super::OfNode;

#[derive(Args)]
#[command(after_help = "Example:\n  skep topics shop/orders:")]
pub(crate) struct Topics {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// Only topics whose PLUGIN/TOPIC begins so
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// No more than so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  skep presence chat/room:1 --count")]
pub(crate) struct Presence {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The topic
    #[arg(value_name = "PLUGIN/TOPIC")]
    pub(crate) topic: String,
    /// Only say how many there are
    #[arg(long)]
    pub(crate) count: bool,
    /// No more than so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  skep publish shop/orders:42 --event paid '{\"total\":7}'\n  skep publish shop/log - < line.txt"
)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// The topic
    #[arg(value_name = "PLUGIN/TOPIC")]
    pub(crate) topic: String,
    /// What to say; `-` reads it from the standard input, byte by byte
    #[arg(value_name = "DATA|-", allow_hyphen_values = true)]
    pub(crate) data: String,
    /// What happened, for listeners that tell messages apart
    #[arg(long)]
    pub(crate) event: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
#[command(
    after_help = "A follower that is too slow for 1,000 messages or 8 MiB loses the oldest, and is told how many.\n\n\
                        Examples:\n  skep tail shop/orders:42 --after 7\n  skep tail 'shop/orders:*' --json"
)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) node: OfNode,
    /// A topic, or with a star at the end all that begin so
    #[arg(value_name = "PLUGIN/TOPIC|PLUGIN/PREFIX*")]
    pub(crate) topics: String,
    /// Begin behind the message of this id, as far as the topic's log holds what follows it
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<u64>,
    /// Print JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
}
