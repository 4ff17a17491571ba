//! Settings: what may be chosen, and what this browser can do.

use leptos::prelude::*;

use crate::client::Capabilities;
use crate::components::help::Shortcuts;
use crate::components::icon::{Icon, Sign};
use crate::components::limits::LimitChoice;
use crate::state::settings::Theme;
use crate::state::{diagnostics, use_ui};
use crate::{text, units};

/// The view.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let can = RwSignal::from(ui.client().state().capabilities.clone());
    view! {
        <h1 class="view-title">{text::SETTINGS}</h1>
        <div class="settings">
            <section class="card">
                <ThemeChoice/>
                <LimitChoice label=text::UPLOAD_LIMIT id="upload-limit" limit=ui.settings.upload_limit/>
                <LimitChoice label=text::DOWNLOAD_LIMIT id="download-limit" limit=ui.settings.download_limit/>
                <label class="check"><input type="checkbox" id="reports" prop:checked=move || ui.settings.reports.get() on:change=move |event| ui.settings.reports.set(event_target_checked(&event))/><span>{text::REPORTS}</span></label>
                <p class="note">{text::REPORTS_WHY}</p>
            </section>
            <section class="card">
                <h2 class="card-title">{text::THIS_BROWSER}</h2>
                <ul class="abilities">{move || abilities(&can.get())}</ul>
                <button type="button" on:click=move |_| ui.copy(diagnostics::of(ui, None), text::DIAGNOSTICS_COPIED)>{text::COPY_DIAGNOSTICS}</button>
            </section>
            <section class="card">
                <h2 class="card-title">{text::SHORTCUTS}</h2>
                <Shortcuts/>
            </section>
        </div>
    }
}

#[component]
fn ThemeChoice() -> impl IntoView {
    let theme = use_ui().settings.theme;
    let choices = Theme::ALL.map(|choice| {
        let words = match choice {
            Theme::System => text::THEME_SYSTEM,
            Theme::Light => text::THEME_LIGHT,
            Theme::Dark => text::THEME_DARK,
        };
        view! {
            <label>
                <input type="radio" name="theme" value=choice.key() prop:checked=move || theme.get() == choice on:change=move |_| theme.set(choice)/>
                <span>{words}</span>
            </label>
        }
    });
    view! { <fieldset class="segments"><legend>{text::THEME}</legend>{choices.into_iter().collect::<Vec<_>>()}</fieldset> }
}

fn abilities(can: &Capabilities) -> impl IntoView + use<> {
    let memory = units::bytes(can.memory_cap_bytes);
    let free = can.quota.map(|quota| text::free(quota.free())).unwrap_or_default();
    let lines = [
        (can.secure_context, text::CAN_SECURE, text::CANNOT_SECURE, String::new()),
        (can.webrtc, text::CAN_WEBRTC, text::CANNOT_WEBRTC, String::new()),
        (can.opfs, text::CAN_OPFS, text::CANNOT_OPFS, if can.opfs { free } else { memory }),
        (can.transferable_channels, text::CAN_TRANSFER, text::CANNOT_TRANSFER, String::new()),
        (can.service_worker, text::CAN_SAVE, text::CANNOT_SAVE, String::new()),
    ];
    lines
        .map(|(yes, able, unable, more)| {
            view! {
                <li>
                    <Icon sign=if yes { Sign::Check } else { Sign::Cross }/>
                    <span>{if yes { able } else { unable }} {(!more.is_empty()).then(|| [" (", &more, ")"].concat())}</span>
                </li>
            }
        })
        .into_iter()
        .collect::<Vec<_>>()
}
