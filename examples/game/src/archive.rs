//! Games that are over: data of the plugin, which stays when their processes go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skep_sdk::{
    prelude::*,
    store::{Atomic, Staged},
};

use crate::board::{Board, Outcome};

const PREFIX: &str = "archive:";

#[derive(Serialize, Deserialize)]
pub struct Ended {
    pub board: Board,
}

/// Adds a game to a commit. A game ends once: if there is one of this name, nothing is committed.
pub fn keep(commit: Atomic<Staged>, id: &str, board: &Board) -> Atomic<Staged> {
    let key = key(id);
    commit.check_absent(&key).set(key, &Ended { board: board.clone() })
}

pub fn find(id: &str) -> Result<Option<Ended>> {
    store::get(&key(id))
}

/// How all games ended.
pub fn all() -> Result<BTreeMap<String, Option<Outcome>>> {
    let ended = store::list::<Ended>(PREFIX).map(|item| {
        let item = item?;
        Ok((item.key.as_str().trim_start_matches(PREFIX).to_owned(), item.value.board.outcome))
    });
    ended.collect()
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}
