//! Which view the fragment of the address names.
//!
//! Views of our own start with `/`, so that none can collide with a link: `magnet:…` and a bare info-hash.

use shared::id::InfoHash;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The drop zone, or what this tab shares.
    Share(Option<InfoHash>),
    /// The list of everything.
    Transfers,
    /// What this browser can do, and what may be chosen.
    Settings,
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
            "/settings" => Self::Settings,
            _ => match fragment.strip_prefix("/share/").and_then(|hash| hash.parse().ok()) {
                Some(hash) => Self::Share(Some(hash)),
                None => Self::Link(fragment.to_owned()),
            },
        }
    }

    /// The fragment that names it, without `#`.
    pub fn fragment(&self) -> String {
        match self {
            Self::Share(None) => "/share".to_owned(),
            Self::Share(Some(hash)) => ["/share/", &hash.to_string()].concat(),
            Self::Transfers => "/transfers".to_owned(),
            Self::Settings => "/settings".to_owned(),
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
            Route::Settings,
            Route::Link(hash.to_string()),
            Route::Link("magnet:?xt=urn:btih:a5".to_owned()),
        ] {
            assert_eq!(Route::parse(&route.fragment()), route);
        }
    }

    #[test]
    fn what_is_no_view_is_a_link_however_broken() {
        assert_eq!(Route::parse("#/share/nonsense"), Route::Link("/share/nonsense".to_owned()));
        assert_eq!(Route::parse("#x"), Route::Link("x".to_owned()));
        assert_eq!(Route::parse("#"), Route::Share(None));
    }
}
