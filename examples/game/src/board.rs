//! The rules. Nothing here knows of processes.

use serde::{Deserialize, Serialize};

const CELLS: usize = 9;

const LINES: [[u8; 3]; 8] = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Player {
    X,
    O,
}

/// A player takes a cell, 0 to 8 from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub player: Player,
    pub cell: u8,
}

/// What follows from the moves, and what the players see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    pub moves: Vec<Move>,
    pub next: Player,
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Won(Player),
    Drawn,
}

impl Board {
    pub fn empty() -> Self {
        Self { moves: Vec::new(), next: Player::X, outcome: None }
    }

    /// Why a move is against the rules, if it is.
    pub fn refuses(&self, mov: Move) -> Option<&'static str> {
        match self.outcome {
            Some(_) => Some("this game is over"),
            None if mov.player != self.next => Some("it is the other player's turn"),
            None if usize::from(mov.cell) >= CELLS => Some("the cells are 0 to 8"),
            None if self.moves.iter().any(|before| before.cell == mov.cell) => Some("this cell is taken"),
            None => None,
        }
    }

    /// A move that the rules allow.
    pub fn play(&mut self, mov: Move) {
        self.moves.push(mov);
        let has = |cell: &u8| self.moves.iter().any(|before| before.player == mov.player && before.cell == *cell);
        if LINES.iter().any(|line| line.iter().all(has)) {
            self.outcome = Some(Outcome::Won(mov.player));
        } else if self.moves.len() == CELLS {
            self.outcome = Some(Outcome::Drawn);
        }
        self.next = match mov.player {
            Player::X => Player::O,
            Player::O => Player::X,
        };
    }
}
