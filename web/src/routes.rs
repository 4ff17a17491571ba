//! Which view the fragment of the address names.
//!
//! Views of our own start with `/`, so that none can collide with a link: `magnet:…` and a bare info-hash.

use shared::id::InfoHash;

use crate::compare::room;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The drop zone, or what this tab shares.
    Share(Option<InfoHash>),
    /// The list of everything.
    Transfers,
    /// The same bytes over each protocol, measured.
    Compare,
    /// A tab that receives for a comparison in another tab, in the room of this name.
    Receive(String),
    /// A tab that seeds for one.
    Seed(String),
    /// What the server is doing, for its operator.
    Dashboard,
    /// What this browser can do, and what may be chosen.
    Settings,
    /// Logging in, the own account, and for admins all of them; with an invitation, if the link brought one.
    Account(Option<String>),
    /// A link to open: everything that is none of the above, as text, to be parsed where the reason can be shown.
    Link(String),
}

impl Route {
    /// Reads a fragment, with or without its `#`.
    pub fn parse(fragment: &str) -> Self {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        match fragment {
            "" | "/" | "/share" => Self::Share(None),
            "/transfers" => Self::Transfers,
            "/compare" => Self::Compare,
            "/dashboard" | "dashboard" => Self::Dashboard,
            "/settings" => Self::Settings,
            "/account" => Self::Account(None),
            _ => Self::parse_more(fragment).unwrap_or_else(|| Self::Link(fragment.to_owned())),
        }
    }

    /// Views that are about something.
    fn parse_more(fragment: &str) -> Option<Self> {
        let room = |name: &str| room::is_name(name).then(|| name.to_owned());
        if let Some(code) = fragment.strip_prefix("/account?invite=") {
            Some(Self::Account(Some(code.to_owned())))
        } else if let Some(name) = fragment.strip_prefix("/compare/receive/") {
            room(name).map(Self::Receive)
        } else if let Some(name) = fragment.strip_prefix("/compare/seed/") {
            room(name).map(Self::Seed)
        } else {
            fragment.strip_prefix("/share/")?.parse().ok().map(|hash| Self::Share(Some(hash)))
        }
    }

    /// The fragment that names it, without `#`.
    pub fn fragment(&self) -> String {
        match self {
            Self::Share(None) => "/share".to_owned(),
            Self::Share(Some(hash)) => ["/share/", &hash.to_string()].concat(),
            Self::Transfers => "/transfers".to_owned(),
            Self::Compare => "/compare".to_owned(),
            Self::Receive(room) => ["/compare/receive/", room].concat(),
            Self::Seed(room) => ["/compare/seed/", room].concat(),
            Self::Dashboard => "/dashboard".to_owned(),
            Self::Settings => "/settings".to_owned(),
            Self::Account(None) => "/account".to_owned(),
            Self::Account(Some(code)) => ["/account?invite=", code].concat(),
            Self::Link(link) => link.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_reads_back() {
        let hash = InfoHash([0xa5; 20]);
        for route in [
            Route::Share(None),
            Route::Share(Some(hash)),
            Route::Transfers,
            Route::Compare,
            Route::Receive("0123456789abcdef0123456789abcdef".to_owned()),
            Route::Seed("0123456789abcdef0123456789abcdef".to_owned()),
            Route::Dashboard,
            Route::Settings,
            Route::Account(None),
            Route::Account(Some("t-abc".to_owned())),
            Route::Link(hash.to_string()),
            Route::Link("magnet:?xt=urn:btih:a5".to_owned()),
        ] {
            assert_eq!(Route::parse(&route.fragment()), route);
        }
    }

    #[test]
    fn what_is_no_view_is_a_link_however_broken() {
        assert_eq!(Route::parse("#/share/nonsense"), Route::Link("/share/nonsense".to_owned()));
        assert_eq!(Route::parse("#/compare/seed/x y"), Route::Link("/compare/seed/x y".to_owned()));
        assert_eq!(Route::parse("#x"), Route::Link("x".to_owned()));
        assert_eq!(Route::parse("#"), Route::Share(None));
    }
}
