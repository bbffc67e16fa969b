//! Entity tags, dates, and the preconditions on them (RFC 9110, sections 8.8 and 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::encoding::Encoding;

/// The first second that a date in a header field cannot say: the year 10,000.
const DATE_END: Duration = Duration::from_secs(253_402_300_800);

/// What tells one state of a file from another.
#[derive(Debug)]
pub(crate) struct Validators {
    /// The opaque part of the entity tag, quotes included.
    ///
    /// It is a weak one: size and time of change say nothing of the bytes, and the host may compress them on their way.
    opaque: String,
    /// When the file was changed, in whole seconds as header fields have them.
    modified: SystemTime,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They hold, or there are none.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client thinks.
    Failed,
}

impl Validators {
    /// None where the time of change is unknown or beyond what header fields can say.
    pub(crate) fn new(size: u64, modified: Option<SystemTime>, encoding: Option<Encoding>) -> Option<Self> {
        let since = modified?.duration_since(UNIX_EPOCH).ok().filter(|since| *since < DATE_END)?;
        let variant = encoding.map_or(String::new(), |encoding| format!("-{}", encoding.token()));
        Some(Self {
            opaque: format!("\"{size:x}-{:x}{variant}\"", since.as_nanos()),
            modified: UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        })
    }

    /// As in `ETag`.
    pub(crate) fn etag(&self) -> String {
        format!("W/{}", self.opaque)
    }

    /// As in `Last-Modified`.
    pub(crate) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    /// Whether one of these tags is ours, weak or not.
    fn any_is_ours(&self, tags: &str) -> bool {
        opaque_tags(tags).any(|tag| tag == self.opaque)
    }
}

/// Evaluates the preconditions in the order of RFC 9110, section 13.2.2, for a GET or HEAD of a file that exists.
pub(crate) fn evaluate(validators: Option<&Validators>, header: impl Fn(&str) -> Option<String>) -> Outcome {
    // With a date unknown or unreadable there is no precondition.
    let unchanged_since = |field: &str| {
        let date = httpdate::parse_http_date(header(field)?.trim()).ok()?;
        Some(validators?.modified <= date)
    };
    // The comparison here is the strong one, and a weak tag is never equal to anything by it.
    match header("if-match") {
        Some(tags) if tags.trim() != "*" => return Outcome::Failed,
        Some(_) => {}
        None if unchanged_since("if-unmodified-since") == Some(false) => return Outcome::Failed,
        None => {}
    }
    let fresh = match header("if-none-match") {
        Some(tags) => tags.trim() == "*" || validators.is_some_and(|ours| ours.any_is_ours(&tags)),
        None => unchanged_since("if-modified-since") == Some(true),
    };
    if fresh { Outcome::NotModified } else { Outcome::Proceed }
}

/// Whether a `Range` may be answered with a part, by `If-Range`: only to a client whose beginning is of the same file.
///
/// A tag never proves that, as ours are weak; the exact date is taken for it, as other servers do.
pub(crate) fn range_applies(validators: Option<&Validators>, if_range: Option<&str>) -> bool {
    let Some(condition) = if_range else { return true };
    let date = httpdate::parse_http_date(condition.trim()).ok();
    validators.is_some_and(|ours| date == Some(ours.modified))
}

/// The opaque parts of a list of entity tags; it ends where the list stops to be one.
fn opaque_tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let tag = rest.trim_start_matches([' ', '\t', ',']);
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        // The quotes are part of what is compared, and a comma may be between them.
        let end = tag.strip_prefix('"')?.find('"')? + 2;
        let (tag, behind) = tag.split_at_checked(end)?;
        rest = behind;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// A file that was changed at [`DATE`] and half a second.
    fn validators() -> Validators {
        let changed = UNIX_EPOCH + Duration::from_millis(784_111_777_500);
        Validators::new(255, Some(changed), None).unwrap()
    }

    fn check(headers: &[(&str, &str)], expected: Outcome) {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(evaluate(Some(&validators()), header), expected, "{headers:?}");
    }

    #[test]
    fn each_encoding_has_its_tag() {
        assert_eq!(validators().etag(), "W/\"ff-ae1b981da166f00\"");
        let brotli = Validators::new(255, Some(UNIX_EPOCH), Some(Encoding::Brotli)).unwrap();
        assert_eq!(brotli.etag(), "W/\"ff-0-br\"");
        assert_eq!(brotli.last_modified(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn impossible_dates_are_no_validators() {
        assert!(Validators::new(1, None, None).is_none());
        assert!(Validators::new(1, Some(UNIX_EPOCH - Duration::from_secs(1)), None).is_none());
        assert!(Validators::new(1, Some(UNIX_EPOCH + DATE_END), None).is_none());
    }

    #[test]
    fn tags() {
        let ours = validators().etag();
        let strong = validators().opaque;
        for tags in [ours.as_str(), &strong, "*", &format!("\"a,b\", {ours}"), &format!(" , W/\"\" ,{strong} , \"x\"")]
        {
            check(&[("if-none-match", tags)], Outcome::NotModified);
        }
        for tags in ["", "\"other\"", "W/\"", "ff-ae1b981da166f00", &format!("junk {ours}"), &format!("w/{ours}")] {
            check(&[("if-none-match", tags)], Outcome::Proceed);
        }
    }

    #[test]
    fn dates() {
        check(&[("if-modified-since", DATE)], Outcome::NotModified);
        check(&[("if-modified-since", AFTER)], Outcome::NotModified);
        check(&[("if-modified-since", BEFORE)], Outcome::Proceed);
        check(&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], Outcome::NotModified);
        check(&[("if-modified-since", "yesterday")], Outcome::Proceed);
    }

    #[test]
    fn tags_come_before_dates() {
        check(&[("if-none-match", "\"other\""), ("if-modified-since", AFTER)], Outcome::Proceed);
        check(&[("if-match", "*"), ("if-unmodified-since", BEFORE)], Outcome::Proceed);
    }

    #[test]
    fn what_must_still_be_so() {
        check(&[("if-match", &validators().etag())], Outcome::Failed);
        check(&[("if-match", "*"), ("if-none-match", "*")], Outcome::NotModified);
        check(&[("if-unmodified-since", BEFORE)], Outcome::Failed);
        check(&[("if-unmodified-since", DATE)], Outcome::Proceed);
        check(&[("if-unmodified-since", "?")], Outcome::Proceed);
    }

    #[test]
    fn a_part_wants_the_exact_date() {
        let ours = validators();
        let tag = ours.etag();
        for (if_range, expected) in [
            (None, true),
            (Some(DATE), true),
            (Some(AFTER), false),
            (Some(BEFORE), false),
            (Some(tag.as_str()), false),
            (Some(ours.opaque.as_str()), false),
            (Some(""), false),
        ] {
            assert_eq!(range_applies(Some(&ours), if_range), expected, "{if_range:?}");
        }
        assert!(!range_applies(None, Some(DATE)) && range_applies(None, None));
    }
}
