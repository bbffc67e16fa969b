//! One look at the node.

use skep_admin::Client;
use skep_admin::api::{NodeFigures, ProcessFilter, ProcessPage, ProcessSort, QueueStatus};

/// Processes that one look asks for: more lines than a screen has.
pub const PROCESSES_MAX: usize = 200;

/// Which processes are wanted, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// In this order.
    pub sort: ProcessSort,
    /// `PLUGIN/PREFIX`, or the beginning of names in any plugin; empty: all.
    pub filter: String,
}

/// What a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its figures.
    pub figures: NodeFigures,
    /// Its processes as they were wished for, or why there are none to see.
    pub processes: Result<ProcessPage, String>,
    /// Its queues; none where there is no store, or it does not answer.
    pub queues: Option<Vec<QueueStatus>>,
}

impl Wish {
    /// What the filter means: what stands before a slash is a plugin, what stands behind it, or all of it, how names begin.
    #[must_use]
    pub fn as_filter(&self) -> ProcessFilter {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (plugin, prefix) = match self.filter.split_once('/') {
            Some((plugin, prefix)) => (some(plugin), some(prefix)),
            None => (None, some(&self.filter)),
        };
        ProcessFilter { plugin, prefix, ..ProcessFilter::default() }
    }
}

/// Looks at the node once: two requests, and a third if the queues are wanted, too. It counts jobs, which is dearer.
///
/// # Errors
/// When the node does not answer, or does not count.
pub async fn gather(client: &Client, wish: &Wish, with_queues: bool) -> anyhow::Result<Snapshot> {
    let filter = wish.as_filter();
    let queues = async { if with_queues { client.queues(None).await.ok() } else { None } };
    let (figures, processes, queues) =
        tokio::join!(client.figures(), client.processes(&filter, wish.sort, None, PROCESSES_MAX), queues);
    let figures = figures?;
    // A filter that nothing passes is no reason to end.
    let processes = processes.map_err(|error| format!("{error:#}"));
    Ok(Snapshot { figures, processes, queues })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_plugin_and_a_prefix_or_a_prefix() {
        let meant = |filter: &str| {
            let wish = Wish { filter: filter.to_owned(), ..Wish::default() };
            let ProcessFilter { plugin, prefix, kind, state } = wish.as_filter();
            assert!(kind.is_none() && state.is_none());
            (plugin.unwrap_or_default(), prefix.unwrap_or_default())
        };
        let pair = |plugin: &str, prefix: &str| (plugin.to_owned(), prefix.to_owned());
        assert_eq!(meant(""), pair("", ""));
        assert_eq!(meant("cart:4"), pair("", "cart:4"));
        assert_eq!(meant("shop/"), pair("shop", ""));
        assert_eq!(meant("shop/eu/cart"), pair("shop", "eu/cart"));
        assert_eq!(meant("/cart"), pair("", "cart"));
    }
}
