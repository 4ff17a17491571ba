//! Which version of a file a client has: `ETag`, `Last-Modified`, and the conditions on them (RFC 9110, section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName};

/// Names one version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validator {
    /// Strong, with its quotes.
    pub(super) etag: String,
    /// In whole seconds, as headers have it.
    pub(super) modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Proceed,
    /// 304: the client has this version.
    NotModified,
    /// 412: the client wants another version.
    Failed,
}

impl Validator {
    /// For a file with this number (inode), size and time of modification.
    pub(super) fn new(number: u64, size: u64, modified: SystemTime) -> Self {
        let since_1970 = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{number:x}-{size:x}-{:x}\"", since_1970.as_nanos());
        Self { etag, modified: UNIX_EPOCH + Duration::from_secs(since_1970.as_secs()) }
    }

    /// As `Last-Modified` has it.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    /// Judges the conditions in the order that RFC 9110, section 13.2.2, gives.
    pub(super) fn judge(&self, request: &HeaderMap) -> Verdict {
        if request.contains_key(header::IF_MATCH) {
            if !self.is_listed(request, &header::IF_MATCH, true) {
                return Verdict::Failed;
            }
        } else if date(request, &header::IF_UNMODIFIED_SINCE).is_some_and(|date| self.modified > date) {
            return Verdict::Failed;
        }
        if request.contains_key(header::IF_NONE_MATCH) {
            if self.is_listed(request, &header::IF_NONE_MATCH, false) {
                return Verdict::NotModified;
            }
        } else if date(request, &header::IF_MODIFIED_SINCE).is_some_and(|date| self.modified <= date) {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether ranges may be served: there is no `If-Range`, or it names this version.
    pub(super) fn allows_range(&self, request: &HeaderMap) -> bool {
        let Some(condition) = request.get(header::IF_RANGE) else { return true };
        let Ok(condition) = condition.to_str() else { return false };
        let same_date = httpdate::parse_http_date(condition).is_ok_and(|date| date == self.modified);
        condition == self.etag || same_date && self.date_is_strong()
    }

    /// Whether the date tells versions apart (RFC 9110, 8.8.2.2): a file that changed within the last minute may change
    /// again within the same second.
    fn date_is_strong(&self) -> bool {
        SystemTime::now().duration_since(self.modified).is_ok_and(|age| age >= Duration::from_secs(60))
    }

    fn is_listed(&self, request: &HeaderMap, name: &HeaderName, strong: bool) -> bool {
        let lists = request.get_all(name).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
            let tag = if strong { tag } else { tag.strip_prefix("W/").unwrap_or(tag) };
            tag == "*" || tag == self.etag
        })
    }
}

/// A date that cannot be read is no condition.
fn date(request: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(request.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator() -> Validator {
        Validator::new(7, 100, UNIX_EPOCH + Duration::from_millis(1_000_000_500))
    }

    fn request(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    const BEFORE: &str = "Mon, 12 Jan 1970 13:46:39 GMT";
    const EXACTLY: &str = "Mon, 12 Jan 1970 13:46:40 GMT";
    const AFTER: &str = "Mon, 12 Jan 1970 13:46:41 GMT";

    #[test]
    fn every_change_makes_another_tag() {
        let at = UNIX_EPOCH + Duration::from_nanos(1);
        let tags = [(1, 2, at), (2, 2, at), (1, 3, at), (1, 2, at + Duration::from_nanos(1))];
        let tags = tags.map(|(number, size, at)| Validator::new(number, size, at).etag);
        assert!(tags.iter().enumerate().all(|(at, tag)| !tags[..at].contains(tag)));
    }

    #[test]
    fn conditions_are_judged_as_the_standard_says() {
        let validator = validator();
        let (tag, weak) = (validator.etag.clone(), format!("W/{}", validator.etag));
        let several = format!("\"x\", {tag}");
        for (name, value, verdict) in [
            (header::IF_NONE_MATCH, tag.as_str(), Verdict::NotModified),
            (header::IF_NONE_MATCH, &weak, Verdict::NotModified),
            (header::IF_NONE_MATCH, &several, Verdict::NotModified),
            (header::IF_NONE_MATCH, "*", Verdict::NotModified),
            (header::IF_NONE_MATCH, "\"x\"", Verdict::Proceed),
            (header::IF_MATCH, &tag, Verdict::Proceed),
            (header::IF_MATCH, &weak, Verdict::Failed),
            (header::IF_MATCH, "*", Verdict::Proceed),
            (header::IF_MATCH, "\"x\"", Verdict::Failed),
            (header::IF_MODIFIED_SINCE, BEFORE, Verdict::Proceed),
            (header::IF_MODIFIED_SINCE, EXACTLY, Verdict::NotModified),
            (header::IF_MODIFIED_SINCE, AFTER, Verdict::NotModified),
            (header::IF_MODIFIED_SINCE, "yesterday", Verdict::Proceed),
            (header::IF_UNMODIFIED_SINCE, BEFORE, Verdict::Failed),
            (header::IF_UNMODIFIED_SINCE, EXACTLY, Verdict::Proceed),
        ] {
            assert_eq!(validator.judge(&request(name.clone(), value)), verdict, "{name}: {value}");
        }
        let mut both = request(header::IF_NONE_MATCH, "\"x\"");
        both.insert(header::IF_MODIFIED_SINCE, AFTER.parse().unwrap());
        assert_eq!(validator.judge(&both), Verdict::Proceed, "the tag says more than the date");
    }

    #[test]
    fn a_range_is_served_only_of_the_version_that_the_client_has() {
        let validator = validator();
        let allows = |value: &str| validator.allows_range(&request(header::IF_RANGE, value));
        assert!(validator.allows_range(&HeaderMap::new()));
        assert!(allows(&validator.etag));
        assert!(allows(EXACTLY));
        assert!(!allows(&format!("W/{}", validator.etag)));
        assert!(!allows("\"x\""));
        assert!(!allows(BEFORE));
        assert!(!allows(AFTER));
        assert_eq!(validator.last_modified(), EXACTLY);
    }
}
