//! A game as a process. It decides about one move at a time, and what it says is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{
    archive,
    board::{Board, Move},
};

/// The process of a game that is over stays so long for those who look at it.
const STAYS: Duration = Duration::from_secs(10);
const PREFIX: &str = "game:";

/// Its state follows from its moves: it is never written, only replayed.
#[derive(Serialize, Deserialize)]
pub struct Game {
    board: Board,
}

#[derive(Serialize, Deserialize)]
pub enum Call {
    Play(Move),
    Show,
}

/// What is in the log. It outlives deploys: new kinds may come, and old ones must stay readable.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Happened {
    Moved(Move),
}

#[derive(Serialize, Deserialize)]
pub enum Timer {
    Leave,
}

#[skep::process]
impl Game {
    fn init() -> Self {
        Game { board: Board::empty() }
    }

    fn call(&mut self, call: Call, ctx: &mut Ctx) -> Result<Result<Board, String>> {
        if let Call::Play(mov) = call {
            if let Some(why) = self.board.refuses(mov) {
                return Ok(Err(why.to_owned()));
            }
            self.play(mov, ctx)?;
        }
        Ok(Ok(self.board.clone()))
    }

    /// The only place that changes the state: when a move is played, and when it is replayed.
    fn apply(&mut self, event: Happened) {
        let Happened::Moved(mov) = event;
        self.board.play(mov);
    }

    /// Its moves are deleted with it. What is to stay is in the archive.
    fn timer(&mut self, Timer::Leave: Timer, ctx: &mut Ctx) {
        ctx.stop("normal");
    }
}

impl Game {
    /// The move, what the players are told and, at the end, the result in the archive are one commit. The answer leaves when it
    /// is durable.
    fn play(&mut self, mov: Move, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.append(self, Happened::Moved(mov))?;
        let name = ctx.name().ok_or("a game has a name")?.to_owned();
        let commit = ctx.atomic().publish_event(&name, "board", &self.board);
        if self.board.outcome.is_none() {
            return commit.stage();
        }
        archive::keep(commit, name.trim_start_matches(PREFIX), &self.board).stage()?;
        ctx.send_after(STAYS, &Timer::Leave)?;
        Ok(())
    }
}

/// Of the process, and of the topic that tells of its moves.
pub fn name(id: &str) -> String {
    format!("{PREFIX}{id}")
}
