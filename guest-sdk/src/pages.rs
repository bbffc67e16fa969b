//! Lists that the host gives in pages.

use std::vec;

use crate::Result;

/// As many as the host gives: each page is one call to it.
pub(crate) const PAGE_ITEMS: u32 = 1000;

/// A page, and where the next one begins; none at the end.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

/// A list that is fetched as it is asked for. It ends after an error.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    page: vec::IntoIter<T>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Start,
    At(String),
    End,
}

impl<T> Pages<T> {
    /// Nothing is fetched yet.
    pub(crate) fn new() -> Self {
        Self { page: vec::IntoIter::default(), next: Next::Start }
    }

    /// The next of the list. `fetch` is given where a page begins, which may be empty before the end.
    pub(crate) fn next(&mut self, fetch: impl Fn(Option<&str>) -> Result<Page<T>>) -> Option<Result<T>> {
        loop {
            if let Some(item) = self.page.next() {
                return Some(Ok(item));
            }
            // The end, unless the page says otherwise.
            let fetched = match std::mem::replace(&mut self.next, Next::End) {
                Next::Start => fetch(None),
                Next::At(cursor) => fetch(Some(&cursor)),
                Next::End => return None,
            };
            match fetched {
                Ok((page, cursor)) => {
                    self.page = page.into_iter();
                    self.next = cursor.map_or(Next::End, Next::At);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fetch: impl Fn(Option<&str>) -> Result<Page<u32>>) -> Vec<Result<u32, String>> {
        let mut pages = Pages::new();
        let next = || pages.next(&fetch).map(|item| item.map_err(|error| error.to_string()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn an_empty_page_is_not_the_end() {
        let items = all(|cursor| {
            Ok(match cursor {
                None => (vec![1, 2], Some("a".to_owned())),
                Some("a") => (Vec::new(), Some("b".to_owned())),
                Some(_) => (vec![3], None),
            })
        });
        assert_eq!(items, [Ok(1), Ok(2), Ok(3)]);
    }

    #[test]
    fn an_error_is_the_end() {
        let items = all(|cursor| match cursor {
            None => Ok((vec![1], Some("a".to_owned()))),
            Some(_) => Err("away".into()),
        });
        assert_eq!(items, [Ok(1), Err("away".to_owned())]);
    }
}
