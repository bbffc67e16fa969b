//! Values of any shape, which reach a guest as JSON.

use toml::Value;

use crate::read::{Item, join};

/// Any value, as JSON of no more than so many bytes, for whom it says.
pub(crate) fn read(item: &Item<'_>, bytes_max: usize, whom: &str) -> Option<String> {
    let json = value(item)?.to_string();
    if json.len() > bytes_max {
        return item.fail(format!("are {} bytes of JSON; at most {bytes_max} go to {whom}", json.len()));
    }
    Some(json)
}

fn value(item: &Item<'_>) -> Option<serde_json::Value> {
    match item.value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Integer(number) => Some((*number).into()),
        Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Into::into)
            .or_else(|| item.fail(format!("JSON has no {number}; write a number or a string"))),
        Value::Boolean(truth) => Some((*truth).into()),
        Value::Datetime(time) => Some(time.to_string().into()),
        Value::Array(array) => {
            let elements = array.iter().enumerate();
            elements.map(|(at, below)| value(&item.child(format!("{}[{at}]", item.path), below))).collect()
        }
        Value::Table(table) => {
            let pairs = table.iter();
            pairs
                .map(|(key, below)| Some((key.clone(), value(&item.child(join(&item.path, key), below))?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Into::into)
        }
    }
}
