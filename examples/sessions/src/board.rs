//! The board: who visits most. Counted in the bucket `board`, ranked ahead of time for all who ask.

use std::time::Duration;

use skep_sdk::prelude::*;

const VISITS: &str = "visits:";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How old the ranking may be: longer than the warmer's interval in skep.toml, so that the next one is there in time.
const FRESH: Duration = Duration::from_secs(15);
const PLACES: usize = 10;

/// Counts a visit of today.
pub fn count(user: &str) -> Result<()> {
    cache::bucket("board")?.increment_for(&format!("{VISITS}{user}"), 1, DAY)?;
    Ok(())
}

/// Ranks before anybody asks. An empty board is not kept: the first visit is to show at once.
#[skep::warmer]
pub fn warm() -> Result<()> {
    let ranking = rank()?;
    if ranking.is_empty() {
        return Ok(());
    }
    cache::bucket("board")?.put_for("ranking", &ranking, FRESH)
}

/// Where the warmer has not been, a thousand requests at once rank once; meanwhile they get the last ranking, if there
/// is one.
pub fn show() -> Result<String> {
    let ranking = cache::bucket("board")?.fetch("ranking").allow_stale().or_fill(FRESH, rank)?;
    let places = ranking.iter().zip(1..).map(|((user, visits), place)| format!("{place}. {user}: {visits}\n"));
    Ok(places.collect())
}

/// Looks at every counter. In your plugin this is the query that takes a second.
fn rank() -> Result<Vec<(String, i64)>> {
    let board = cache::bucket("board")?;
    let mut ranking = Vec::new();
    for key in board.keys(VISITS) {
        let key = key?;
        let visits = board.counter(&key)?;
        ranking.extend(key.strip_prefix(VISITS).map(|user| (user.to_owned(), visits)));
    }
    ranking.sort_by(|(a, a_visits), (b, b_visits)| b_visits.cmp(a_visits).then_with(|| a.cmp(b)));
    ranking.truncate(PLACES);
    Ok(ranking)
}
