use leptos::prelude::*;

/// The few signs of the page, as strokes on a field of 16 by 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Sun,
    Moon,
    System,
    Gear,
    Check,
    Cross,
    File,
    Folder,
    Down,
    Warning,
}

impl Sign {
    const fn path(self) -> &'static str {
        match self {
            Self::Sun => {
                "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1"
            }
            Self::Moon => "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
            Self::System => "M2 3h12v8H2zM6 14h4M8 11v3",
            Self::Gear => "M2 4.5h6M12 4.5h2M10 2.5v4M2 11.5h2M8 11.5h6M6 9.5v4",
            Self::Check => "M3 8.5l3.5 3.5L13 4.5",
            Self::Cross => "M4 4l8 8M12 4l-8 8",
            Self::File => "M4 1.5h5l3 3v10H4zM9 1.5v3h3",
            Self::Folder => "M1.5 3.5h4.5l1.5 2h7v7.5h-13z",
            Self::Down => "M8 2v9M4 7.5L8 11.5l4-4M3 14h10",
            Self::Warning => "M8 2L15 14H1zM8 6.5v3.5M8 12v.5",
        }
    }
}

/// A sign, for the eye only: what it means stands beside it or in the label of its button.
#[component]
pub fn Icon(sign: Sign) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d=sign.path()></path>
        </svg>
    }
}
