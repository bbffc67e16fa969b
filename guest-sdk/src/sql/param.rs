//! What a statement is given beside its text.

use super::Value;
use crate::{Bytes, jobs::JobId};

/// The parameters of a statement, from [`params!`](macro@crate::sql::params), or out of [`Value`]s.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Params {
    values: Vec<Value>,
    /// The first that has no place in a database; the statement says so.
    unfit: Option<String>,
}

/// What can be a parameter.
pub trait IntoValue {
    /// The value.
    ///
    /// # Errors
    /// When a database has no such value: a whole number over 2^63 - 1.
    fn into_value(self) -> Result<Value, String>;
}

/// The parameters of a statement, in the order of their numbers: `params![title, 7, None::<i64>]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __sql_params {
    ($($value:expr),* $(,)?) => { $crate::sql::Params::new()$(.with($value))* };
}

impl Params {
    /// None yet.
    pub const fn new() -> Self {
        Self { values: Vec::new(), unfit: None }
    }

    /// And one more.
    pub fn with(mut self, value: impl IntoValue) -> Self {
        match value.into_value() {
            Ok(value) => self.values.push(value),
            Err(why) => {
                let number = self.values.len() + 1;
                self.unfit.get_or_insert(format!("parameter {number} is {why}"));
                self.values.push(Value::Null);
            }
        }
        self
    }

    pub(super) fn into_values(self) -> Result<Vec<Value>, String> {
        self.unfit.map_or(Ok(self.values), Err)
    }
}

impl From<Vec<Value>> for Params {
    fn from(values: Vec<Value>) -> Self {
        Self { values, unfit: None }
    }
}

impl<const N: usize> From<[Value; N]> for Params {
    fn from(values: [Value; N]) -> Self {
        Self::from(Vec::from(values))
    }
}

/// No parameters.
impl From<()> for Params {
    fn from((): ()) -> Self {
        Self::new()
    }
}

impl<V: IntoValue> FromIterator<V> for Params {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        values.into_iter().fold(Self::new(), Params::with)
    }
}

macro_rules! into_value {
    ($($from:ty: |$value:ident| $into:expr),+ $(,)?) => {$(
        impl IntoValue for $from {
            fn into_value(self) -> Result<Value, String> {
                let $value = self;
                Ok($into)
            }
        }
    )+};
}

into_value! {
    Value: |value| value,
    bool: |value| Value::Boolean(value),
    i8: |value| Value::Integer(value.into()),
    i16: |value| Value::Integer(value.into()),
    i32: |value| Value::Integer(value.into()),
    i64: |value| Value::Integer(value),
    u8: |value| Value::Integer(value.into()),
    u16: |value| Value::Integer(value.into()),
    u32: |value| Value::Integer(value.into()),
    f32: |value| Value::Real(value.into()),
    f64: |value| Value::Real(value),
    char: |value| Value::Text(value.into()),
    &str: |value| Value::Text(value.to_owned()),
    String: |value| Value::Text(value),
    std::borrow::Cow<'_, str>: |value| Value::Text(value.into_owned()),
    &[u8]: |value| Value::Blob(value.to_vec()),
    Vec<u8>: |value| Value::Blob(value),
    Bytes: |value| Value::Blob(value.into()),
}

macro_rules! into_value_that_fits {
    ($($from:ty),+) => {$(
        impl IntoValue for $from {
            fn into_value(self) -> Result<Value, String> {
                i64::try_from(self).map(Value::Integer).map_err(|_| format!("{self}, which is no number of 64 bits with a sign"))
            }
        }
    )+};
}

into_value_that_fits!(u64, usize, isize, i128, u128);

impl<const N: usize> IntoValue for [u8; N] {
    fn into_value(self) -> Result<Value, String> {
        Ok(Value::Blob(self.to_vec()))
    }
}

impl IntoValue for JobId {
    fn into_value(self) -> Result<Value, String> {
        self.0.into_value()
    }
}

impl<V: IntoValue> IntoValue for Option<V> {
    fn into_value(self) -> Result<Value, String> {
        self.map_or(Ok(Value::Null), V::into_value)
    }
}

impl<V: IntoValue + Clone> IntoValue for &V {
    fn into_value(self) -> Result<Value, String> {
        self.clone().into_value()
    }
}
