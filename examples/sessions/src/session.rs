//! Sessions: a random id in the client's cookie, and what belongs to it in the bucket `sessions`.

use serde::{Deserialize, Serialize};
use skep_sdk::{cache::Bucket, prelude::*};

pub const COOKIE: &str = "session";

/// What nobody guesses: 128 bits.
const ID_BYTES: usize = 16;

/// The session of a request, as an argument of its handler.
pub struct Session {
    id: String,
    data: Data,
}

#[derive(Serialize, Deserialize)]
struct Data {
    user: String,
    visits: u32,
}

/// Starts a session and returns its id.
pub fn start(user: &str) -> Result<String> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).context("drawing a session id")?;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    sessions()?.put(&id, &Data { user: user.to_owned(), visits: 0 })?;
    Ok(id)
}

fn stranger() -> Error {
    Error::new(StatusCode::UNAUTHORIZED, "log in first: POST /login with your name").code("no-session")
}

fn sessions() -> Result<Bucket> {
    cache::bucket("sessions")
}

impl Session {
    pub fn user(&self) -> &str {
        &self.data.user
    }

    /// Counts a visit and returns how many there were: two requests at once both count, and one that comes after the
    /// logout does not bring the session back.
    pub fn visit(&self) -> Result<u32> {
        let data = sessions()?.update(&self.id, |data: Option<Data>| {
            data.map(|data| Data { visits: data.visits.saturating_add(1), ..data })
        })?;
        data.map(|data| data.visits).ok_or_else(stranger)
    }

    pub fn end(self) -> Result<()> {
        sessions()?.delete(&self.id)?;
        Ok(())
    }
}

impl FromRequest for Session {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Self> {
        let cookies = request.extract::<Cookies>()?;
        let id = cookies.get(COOKIE).ok_or_else(stranger)?;
        let data = sessions()?.get(id)?.ok_or_else(stranger)?;
        Ok(Self { id: id.to_owned(), data })
    }
}
