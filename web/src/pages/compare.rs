//! Compare: the same bytes over each protocol, side by side.

use leptos::prelude::*;

use crate::components::compare::curves::Curves;
use crate::components::compare::guide::{CertificateGuide, SeedGuide};
use crate::components::compare::results::Results;
use crate::components::compare::setup::Setup;
use crate::state::use_ui;
use crate::text::compare as text;

/// The view.
#[component]
pub fn ComparePage() -> impl IntoView {
    let ui = use_ui();
    ui.current.set(None);
    let race = ui.race;
    race.look();
    let site = RwSignal::from(race.client().state().site.clone());
    // The server's configuration may come after the view; with it come the ports.
    Effect::new(move |_| {
        site.track();
        race.check();
    });
    // Whoever went to another tab to look at a certificate comes back with it.
    let back = window_event_listener(leptos::ev::focus, move |_| race.check());
    on_cleanup(move || back.remove());
    view! {
        <section class="compare" data-testid="compare">
            <header class="object-head">
                <h1>{text::COMPARE}</h1>
                <p class="note">{text::INTRO}</p>
            </header>
            <Setup race/>
            <CertificateGuide race/>
            <SeedGuide race/>
            <Curves race/>
            <Results race/>
        </section>
    }
}
