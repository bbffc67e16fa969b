//! Tic-tac-toe for two. A game is a process, and what is kept of it is its moves.

mod archive;
mod board;
mod game;

use archive::Ended;
use board::{Board, Move};
use game::{Call, Game};
use skep_sdk::{
    prelude::*,
    process::{CallError, Handle},
};

const ID_CHARS_MAX: usize = 40;

#[skep::http]
fn app() -> Router {
    Router::new().post("/games/{id}/moves", play).get("/games/{id}", show).get("/archive", || archive::all().map(Json))
}

/// The first move begins the game.
fn play(Path(id): Path<String>, Json(mov): Json<Move>) -> Result<Json<Board>> {
    let name = name(&id)?;
    if archive::find(&id)?.is_some() {
        return Err(Error::new(StatusCode::CONFLICT, "this game is over"));
    }
    let game = process::start_or_get::<Game>(name, &())?;
    // What is against the rules is an answer as any other, and nothing that failed.
    let played = game.call(&Call::Play(mov))?;
    Ok(Json(played.map_err(|why| Error::new(StatusCode::CONFLICT, why))?))
}

fn show(Path(id): Path<String>) -> Result<Json<Board>> {
    find(&id).map(Json)
}

/// A game that goes on is asked; one that is over is in the archive.
fn find(id: &str) -> Result<Board> {
    let game: Handle<Game> = process::handle(name(id)?);
    match game.call(&Call::Show) {
        Err(CallError::NotFound(_)) => {
            archive::find(id)?.map(|Ended { board }| board).reject(StatusCode::NOT_FOUND, "there is no such game")
        }
        answer => answer?.map_err(Error::from),
    }
}

fn name(id: &str) -> Result<String> {
    let fits = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if fits {
        Ok(game::name(id))
    } else {
        Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "a game's name has 1 to 40 letters, digits and dashes"))
    }
}

/// Both players look: the board as it is, and then after each move. Moves are published when they are kept, so nobody sees
/// one that a crash takes back.
#[skep::event_stream]
fn live(Path(id): Path<String>) -> Result<EventStream> {
    Ok(EventStream::new().first(Event::json("board", &find(&id)?)?))
}

#[cfg(test)]
mod tests;
