//! The first word of a statement. It decides nothing that has to be safe: it says what is refused with a better message than
//! the database's, and where a statement is tried first.

use crate::error::Error;

/// The first word in capitals, behind blanks, comments, semicolons and brackets; empty if there is none.
pub(crate) fn first(sql: &str) -> String {
    let rest = behind_blanks(sql);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().to_ascii_uppercase()
}

/// A statement without what may be in front of it.
pub(crate) fn behind_blanks(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            return rest;
        }
    }
}

/// What is behind the end of a comment. They nest, as in PostgreSQL; in SQLite they do not, which only moves what is behind.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        let at = match (open, close) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                open
            }
            (_, Some(close)) => {
                depth -= 1;
                close
            }
            (_, None) => return "",
        };
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    rest
}

/// Whether a statement that begins with this may give rows without writing.
pub(crate) fn may_read(first: &str) -> bool {
    matches!(first, "SELECT" | "WITH" | "VALUES" | "TABLE" | "EXPLAIN" | "PRAGMA" | "SHOW")
}

/// Whether a statement that begins with this counts the rows that it changes.
pub(crate) fn counts(first: &str) -> bool {
    matches!(first, "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "WITH" | "MERGE")
}

/// Whether it begins or ends transactions.
pub(crate) fn is_transaction(first: &str) -> bool {
    matches!(first, "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE")
}

pub(crate) fn refuse_transaction(first: &str) -> Error {
    Error::Denied(format!("`{first}` is no statement here: a transaction begins and ends by calls"))
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_first_word_is_found_behind_everything_else() {
        for (sql, word) in [
            ("select 1", "SELECT"),
            ("  ;;\n(SELECT 1)", "SELECT"),
            ("-- a comment\nCommit", "COMMIT"),
            ("/* a /* nested */ one */ SET x = 1", "SET"),
            ("/**/COPY t", "COPY"),
            ("-- only a comment", ""),
            ("/* open", ""),
            ("", ""),
            ("\u{feff}COMMIT", "COMMIT"),
            ("'text'", ""),
        ] {
            assert_eq!(first(sql), word, "{sql}");
        }
    }
}
