//! Statements that go out together, and what comes back.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::fault::Fault;

/// A statement: its text, and the types of its parameters.
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// What is bound to one parameter.
pub(super) type Param = Box<dyn ToSql + Sync + Send>;

/// What is bound to a statement, in the order of its parameters.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::postgres::batch::Param),*] };
}
pub(super) use params;

/// Statements in their order. Each is sent without waiting for the answer of the one before.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) asks: Vec<(&'static Sql, Vec<Param>)>,
}

impl Batch {
    /// One more statement. Its answer comes in the same place.
    pub(super) fn ask(&mut self, sql: &'static Sql, params: Vec<Param>) {
        debug_assert_eq!(sql.types.len(), params.len(), "{}", sql.text);
        self.asks.push((sql, params));
    }

    /// A batch of one.
    pub(super) fn of(sql: &'static Sql, params: Vec<Param>) -> Self {
        let mut batch = Self::default();
        batch.ask(sql, params);
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }
}

/// What a batch has answered: rows for each statement, in their order.
pub(super) struct Answers(pub(super) std::vec::IntoIter<Vec<Row>>);

impl Answers {
    /// The rows of the next statement.
    pub(super) fn rows(&mut self) -> Vec<Row> {
        self.0.next().unwrap_or_default()
    }

    /// The first row of the next statement.
    pub(super) fn row(&mut self) -> Result<Row, Fault> {
        self.rows().into_iter().next().ok_or_else(|| Fault::Failed("a statement answered no row".to_owned()))
    }
}

/// A column of a row.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Fault> {
    row.try_get(at).map_err(|error| Fault::Failed(format!("a row cannot be read: {error}")))
}

/// Bytes that go out as they are.
#[derive(Clone, Debug)]
pub(super) struct Raw(pub(super) bytes::Bytes);

impl ToSql for Raw {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        (&self.0[..]).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::BYTEA
    }

    tokio_postgres::types::to_sql_checked!();
}
