//! In place of a mail server: it is busy the first two times that it is asked to send a mail, knows no address that begins
//! with `nobody`, and shows what it sent.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

const BUSY_TIMES: i64 = 2;
const MAIL: &str = "mail:";

#[skep::http]
fn app() -> Router {
    Router::new().post("/mails", send).get("/postbox", show)
}

#[derive(Serialize, Deserialize)]
struct Mail {
    id: u64,
    to: String,
    text: String,
}

fn send(Json(mail): Json<Mail>) -> Result<StatusCode> {
    if mail.to.starts_with("nobody@") {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let mails = cache::bucket("mails")?;
    if mails.increment(&format!("asked:{}", mail.id), 1)? <= BUSY_TIMES {
        return Ok(StatusCode::SERVICE_UNAVAILABLE);
    }
    // One that comes again is the same mail.
    mails.put(&format!("{MAIL}{}", mail.id), &mail)?;
    Ok(StatusCode::ACCEPTED)
}

fn show() -> Result<String> {
    let mails = cache::bucket("mails")?;
    let keys = mails.keys(MAIL).collect::<Result<Vec<_>>>()?;
    let mut sent: Vec<Mail> = mails.get_many(keys)?.into_iter().flatten().collect();
    sent.sort_by_key(|mail| mail.id);
    Ok(sent.into_iter().map(|Mail { id, to, text }| format!("{id} {to}: {text}\n")).collect())
}

#[cfg(test)]
mod tests {
    use skep_sdk::test;

    use super::*;

    #[test]
    fn it_sends_a_mail_when_it_is_asked_for_the_third_time() {
        let send =
            |to: &str| test::post("/mails").json(&Mail { id: 7, to: to.into(), text: "hi".into() }).send(app).status();
        let answers = [(); 4].map(|()| send("maja@bees.example").as_u16());
        assert_eq!(answers, [503, 503, 202, 202]);
        assert_eq!(send("nobody@bees.example"), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(test::get("/postbox").send(app).text(), "7 maja@bees.example: hi\n");
    }
}
