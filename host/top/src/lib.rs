//! A node's live screen in a terminal.
