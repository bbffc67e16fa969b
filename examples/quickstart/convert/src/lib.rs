//! A JSON API that converts units: `GET /api/convert?from=km&to=mi&amount=5`, or a list of them by POST.

mod units;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/api/units", || Json(units::names()))
        .get("/api/convert", |Query(question): Query<Question>| answer(question).map(Json))
        .post("/api/convert", |Json(questions): Json<Vec<Question>>| {
            questions.into_iter().map(answer).collect::<Result<Vec<_>>>().map(Json)
        })
}

#[derive(Deserialize)]
struct Question {
    from: String,
    to: String,
    #[serde(default = "one")]
    amount: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, PartialEq, Serialize)]
struct Answer {
    amount: f64,
    unit: String,
}

/// An unknown unit is a 404; two that do not measure the same thing are a 422.
fn answer(question: Question) -> Result<Answer> {
    let find = |name| units::find(name).reject(StatusCode::NOT_FOUND, format!("there is no unit `{name}`"));
    let (from, to) = (find(&question.from)?, find(&question.to)?);
    let amount = from.convert(question.amount, to).reject(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("`{}` and `{}` measure different things", question.from, question.to),
    )?;
    Ok(Answer { amount, unit: question.to })
}

#[cfg(test)]
mod tests {
    use skep_sdk::{serde_json::Value, test};

    use super::*;

    #[test]
    fn one_amount_by_query() {
        let answer = test::get("/api/convert?from=km&to=m&amount=1.5").send(app);
        assert_eq!(answer.json::<Value>(), json!({"amount": 1500.0, "unit": "m"}));
    }

    #[test]
    fn several_by_post() {
        let questions = json!([{"from": "C", "to": "F", "amount": 100}, {"from": "kg", "to": "g"}]);
        let answer = test::post("/api/convert").json(&questions).send(app);
        assert_eq!(answer.json::<Value>(), json!([{"amount": 212.0, "unit": "F"}, {"amount": 1000.0, "unit": "g"}]));
    }

    #[test]
    fn what_cannot_be_converted_says_why() {
        for (query, status, message) in [
            ("from=km&to=parsec", 404, "there is no unit `parsec`"),
            ("from=km&to=kg", 422, "`km` and `kg` measure different things"),
            ("from=km&to=m&amount=x", 400, "query parameter `amount`: `x` is not a number"),
            ("from=km", 400, "missing field `to`"),
        ] {
            let answer = test::get(format!("/api/convert?{query}")).send(app);
            assert_eq!((answer.status().as_u16(), &answer.error_message()[..]), (status, message));
        }
        let answer = test::post("/api/convert").json(&json!([{"from": "km", "to": 1}])).send(app);
        assert!(answer.error_message().starts_with("field `[0].to`: invalid type: integer `1`"));
    }
}
