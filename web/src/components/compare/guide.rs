//! What stands in the way of a comparison, and the way around it.

use leptos::prelude::*;

use crate::compare::model::Lane;
use crate::compare::origins::{self, Access};
use crate::compare::race::{Race, Seed, Source};
use crate::text::compare as text;

/// Leads through trusting the server's certificate, where the browser does not.
#[component]
pub fn CertificateGuide(race: Race) -> impl IntoView {
    let site = RwSignal::from(race.client().state().site.clone());
    let untrusted = move |lane| race.access.with(|all| all.get(&lane) == Some(&Access::Untrusted));
    let shown = Memo::new(move |_| (untrusted(Lane::Http2), untrusted(Lane::Http1Tls)));
    // Any path will do; this one is small and says in words what it is.
    let address = move |lane| {
        site.with(|site| origins::of_lane(lane, site)).map(|origin| [&origin, "/health"].concat())
    };
    let link = move |lane, words: &'static str, primary: bool| {
        view! { <a class="button" class:primary=primary target="_blank" rel="noopener" href=move || address(lane)>{words}</a> }
    };
    let why = move || {
        site.with(|site| if site.certificate_generated { text::CERT_WHY } else { text::CERT_WHY_OWN })
    };
    let fingerprint = move || site.with(|site| site.fingerprint.clone());
    view! {
        <Show when=move || shown.get().0 || shown.get().1>
            <section class="card guide" data-testid="compare-certificate">
                <h2>{text::CERT_TITLE}</h2>
                <p>{why}</p>
                <ol>{text::CERT_STEPS.map(|step| view! { <li>{step}</li> }).into_iter().collect::<Vec<_>>()}</ol>
                <p class="note">{text::CERT_FINGERPRINT} " (SHA-256)"<br/><span class="mono fingerprint">{fingerprint}</span></p>
                <div class="buttons">
                    <Show when=move || shown.get().0>{link(Lane::Http2, text::CERT_OPEN, true)}</Show>
                    <Show when=move || shown.get().1>{link(Lane::Http1Tls, text::CERT_OPEN_HTTP1, false)}</Show>
                    <button type="button" on:click=move |_| race.check()>{text::CHECK_AGAIN}</button>
                </div>
            </section>
        </Show>
    }
}

/// Says who gives the file to P2P, and offers a tab where nobody does.
#[component]
pub fn SeedGuide(race: Race) -> impl IntoView {
    let wanted = move || race.chosen.with(|chosen| chosen.iter().any(|lane| !lane.is_http()));
    let words = move || match (race.source.get(), race.seed.get()) {
        (_, Seed::Failed(reason)) => reason,
        (Some(Source::Own { magnet: Some(_), .. }), _) => text::SEED_HERE.to_owned(),
        (Some(Source::Own { .. }), _) => text::HASHING.to_owned(),
        (_, Seed::Opening) => text::SEED_OPENING.to_owned(),
        (_, Seed::Fetching) => text::SEED_FETCHING.to_owned(),
        (_, Seed::Ready(_)) => text::SEED_READY.to_owned(),
        (Some(Source::Server(file)), Seed::None) if file.magnet.is_some() => text::SEED_PUBLISHED.to_owned(),
        _ => text::SEED_NONE.to_owned(),
    };
    let offered = move || {
        matches!(race.source.get(), Some(Source::Server(_)))
            && matches!(race.seed.get(), Seed::None | Seed::Failed(_))
    };
    let ready = move || race.magnet().is_some().then_some("true");
    view! {
        <Show when=move || wanted() && race.source.with(Option::is_some)>
            <section class="card guide" data-testid="compare-seed" data-ready=ready>
                <h2>{text::SEED_TITLE}</h2>
                <p aria-live="polite">{words}</p>
                <Show when=offered>
                    <div class="buttons"><button type="button" data-testid="compare-open-seed" on:click=move |_| race.open_seed()>{text::SEED_OPEN}</button></div>
                </Show>
            </section>
        </Show>
    }
}
