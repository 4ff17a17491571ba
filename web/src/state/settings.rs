//! What a person chose and this browser keeps, in `localStorage`; without it the choice lasts as long as the tab.

use leptos::prelude::*;

use crate::document;

/// Light, dark, or as the system has it. `www/theme.js` reads the same key before the first paint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// As it is kept, and as it stands on the document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Upload or download limits on offer, in bytes a second; 0 is none.
pub const LIMITS: [u64; 8] = [0, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// The choices, as signals.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Light or dark.
    pub theme: RwSignal<Theme>,
    /// Bytes a second to all peers, 0 for no limit.
    pub upload_limit: RwSignal<u64>,
    /// Bytes a second from all peers, 0 for no limit.
    pub download_limit: RwSignal<u64>,
    /// Tell the page's own server, if it asks, how far transfers are.
    pub reports: RwSignal<bool>,
}

const THEME: &str = "theme";
const UPLOAD: &str = "upload-limit";
const DOWNLOAD: &str = "download-limit";
const REPORTS: &str = "reports";
const OFF: &str = "off";

impl Settings {
    /// What was kept.
    pub fn load() -> Self {
        let kept = document::kept(THEME).unwrap_or_default();
        let limit = |key| document::kept(key).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            theme: RwSignal::new(
                Theme::ALL.into_iter().find(|theme| theme.key() == kept).unwrap_or_default(),
            ),
            upload_limit: RwSignal::new(limit(UPLOAD)),
            download_limit: RwSignal::new(limit(DOWNLOAD)),
            reports: RwSignal::new(document::kept(REPORTS).as_deref() != Some(OFF)),
        }
    }

    /// Keeps every later choice, and puts the theme on the document; `scheme` changes after it.
    pub fn keep(self, scheme: RwSignal<u32>) {
        Effect::new(move |_| {
            let theme = self.theme.get();
            document::keep(THEME, theme.key());
            document::set_root_attribute("data-theme", theme.key());
            scheme.update(|scheme| *scheme += 1);
        });
        Effect::new(move |_| document::keep(UPLOAD, &self.upload_limit.get().to_string()));
        Effect::new(move |_| document::keep(REPORTS, if self.reports.get() { "" } else { OFF }));
        Effect::new(move |_| document::keep(DOWNLOAD, &self.download_limit.get().to_string()));
    }

    /// The limits, `None` where there is none.
    pub fn limits(self) -> (Option<u64>, Option<u64>) {
        let some = |limit: u64| (limit > 0).then_some(limit);
        (some(self.upload_limit.get()), some(self.download_limit.get()))
    }
}
