//! A flag that is raised once and can be waited for.

use tokio::sync::watch;

#[derive(Debug, Clone)]
pub(super) struct Signal(watch::Sender<bool>);

impl Default for Signal {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Signal {
    pub(super) fn raise(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) async fn raised(&self) {
        // Cannot fail: the sender is in `self`.
        let _ = self.0.subscribe().wait_for(|raised| *raised).await;
    }
}
