use std::time::Duration;

use skep_sdk::{
    CapabilityError,
    test::{self, TestResponse},
};

use super::*;
use crate::{
    board::{Outcome, Player},
    game::Happened,
};

/// Plays by turns, X first, and returns the board after it.
fn play_all(cells: &[u8]) -> Board {
    let turns = cells.iter().zip([Player::X, Player::O].into_iter().cycle());
    turns.map(|(cell, player)| play_one(player, *cell).json()).last().unwrap()
}

fn play_one(player: Player, cell: u8) -> TestResponse {
    test::post("/games/7/moves").json(&Move { player, cell }).send(app)
}

fn board() -> Board {
    test::get("/games/7").send(app).json()
}

fn archived() -> String {
    test::get("/archive").send(app).text().to_owned()
}

#[test]
fn two_play_by_turns() {
    let answered = play_all(&[4, 0]);
    assert_eq!((answered.next, answered.moves.len()), (Player::X, 2));
    assert_eq!(board(), answered);
    for (player, cell, why) in [
        (Player::O, 1, "it is the other player's turn"),
        (Player::X, 4, "this cell is taken"),
        (Player::X, 9, "the cells are 0 to 8"),
    ] {
        let answer = play_one(player, cell);
        assert_eq!((answer.status(), answer.error_message().as_str()), (StatusCode::CONFLICT, why));
    }
    assert_eq!(board().moves.len(), 2);
    let told: Vec<Board> = test::published().iter().map(|told| told.json().unwrap()).collect();
    assert_eq!((told.len(), &told[1]), (2, &board()));
}

#[test]
fn a_game_is_its_moves() {
    play_all(&[4, 0, 8]);
    let before = board();
    let game = test::process::<Game>("game:7");
    game.crash("power cut");
    assert_eq!(board(), before);
    let moved = |player, cell| Happened::Moved(Move { player, cell });
    assert_eq!(game.events(), [moved(Player::X, 4), moved(Player::O, 0), moved(Player::X, 8)]);
}

#[test]
fn the_last_move_archives_the_game_and_the_process_goes() {
    assert_eq!(archived(), "{}");
    let last = play_all(&[0, 3, 1, 4, 2]);
    assert_eq!(last.outcome, Some(Outcome::Won(Player::X)));
    assert_eq!(archived(), r#"{"7":{"Won":"X"}}"#);
    assert_eq!(play_one(Player::O, 5).error_message(), "this game is over");
    let game = test::process::<Game>("game:7");
    assert!(game.is_there());
    test::advance(Duration::from_secs(10));
    assert!(!game.is_there());
    assert_eq!((board(), play_one(Player::O, 5).status()), (last, StatusCode::CONFLICT));
}

#[test]
fn a_move_that_is_not_kept_was_not_made() {
    play_all(&[0, 3, 1, 4]);
    test::fail_commit(CapabilityError::Unavailable("the store".into()));
    assert_eq!(play_one(Player::X, 2).status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((board().moves.len(), archived().as_str(), test::published().len()), (4, "{}", 4));
    assert_eq!(play_one(Player::X, 2).json::<Board>().outcome, Some(Outcome::Won(Player::X)));
}

#[test]
fn nine_moves_without_a_line_are_a_draw() {
    let last = play_all(&[0, 1, 2, 4, 3, 5, 7, 6, 8]);
    assert_eq!((last.outcome, archived().as_str()), (Some(Outcome::Drawn), r#"{"7":"Drawn"}"#));
}

#[test]
fn who_looks_sees_the_board_first() {
    play_all(&[4]);
    let look = test::get("/games/7/live").route("/games/{id}/live").open("game:7", live);
    assert_eq!((look.first().len(), look.first()[0].name()), (1, Some("board")));
    let nobody = test::get("/games/8/live").route("/games/{id}/live").open("game:8", live);
    assert_eq!(nobody.refused().status(), StatusCode::NOT_FOUND);
    assert_eq!(test::get("/games/a_b").send(app).status(), StatusCode::UNPROCESSABLE_ENTITY);
}
