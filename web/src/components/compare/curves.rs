//! The race as it runs: a line for each way, and their curves over one another.

use leptos::prelude::*;

use super::LaneBadge;
use crate::compare::live::{Live, LiveState};
use crate::compare::model::Lane;
use crate::compare::race::Race;
use crate::text::compare as text;
use crate::units;

/// Size of the drawing.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;

/// Rates are told over this many samples: over one they jump.
const SMOOTH: usize = 3;

/// The latest transfer of each way.
#[component]
pub fn Curves(race: Race) -> impl IntoView {
    let lanes = Memo::new(move |_| race.live.with(|live| live.keys().copied().collect::<Vec<_>>()));
    view! {
        <Show when=move || lanes.with(|lanes| !lanes.is_empty())>
            <section class="panel race" data-testid="compare-race">
                <h2>{text::RACE}</h2>
                <ul class="racers"><For each=move || lanes.get() key=|lane| *lane let:lane><Racer race lane/></For></ul>
                <Chart race/>
            </section>
        </Show>
    }
}

#[component]
fn Racer(race: Race, lane: Lane) -> impl IntoView {
    let live = Memo::new(move |_| race.live.with(|all| all.get(&lane).cloned().unwrap_or_default()));
    let width = move || {
        let (bytes, expected) = live.with(|live| (live.bytes(), live.expected));
        let part = if expected == 0 { 0.0 } else { bytes as f64 / expected as f64 };
        (part.min(1.0) * 100.0).round().to_string()
    };
    let word = move || {
        live.with(|live| match &live.state {
            LiveState::Waiting => text::WAITS.to_owned(),
            LiveState::Running => units::rate(rate_at(&live.samples, live.samples.len()) as u64),
            LiveState::Done(seconds) => text::seconds(*seconds),
            LiveState::Failed(reason) => reason.clone(),
        })
    };
    let failed = move || live.with(|live| matches!(live.state, LiveState::Failed(_)));
    view! {
        <li class:wrong=failed data-testid="compare-racer" data-lane=lane.name()>
            <LaneBadge lane/>
            <svg class=["racer lane ", lane.name()].concat() viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="ground" width="100" height="8"></rect><rect class="fill" width=width height="8"></rect>
            </svg>
            <span class="number">{word}</span>
        </li>
    }
}

#[component]
fn Chart(race: Race) -> impl IntoView {
    let bytes = RwSignal::new(false);
    let scale = Memo::new(move |_| race.live.with(|live| Scale::of(live.values(), bytes.get())));
    let paths = move || {
        let (scale, bytes) = (scale.get(), bytes.get());
        race.live.with(|live| {
            let path = |(lane, live): (&Lane, &Live)| {
                view! { <path class=["curve lane ", lane.name()].concat() d=scale.path(live, bytes)></path> }
            };
            live.iter().map(path).collect::<Vec<_>>()
        })
    };
    let choices = [(false, text::CURVE_RATE), (true, text::CURVE_BYTES)].map(|(which, words)| {
        view! {
            <label><input type="radio" name="compare-curve" prop:checked=move || bytes.get() == which on:change=move |_| bytes.set(which)/><span>{words}</span></label>
        }
    });
    let top = move || {
        let top = scale.get().top as u64;
        if bytes.get() { units::bytes(top) } else { units::rate(top) }
    };
    view! {
        <figure class="chart curves">
            <figcaption><fieldset class="segments" aria-label=text::CURVE_LABEL>{choices.into_iter().collect::<Vec<_>>()}</fieldset></figcaption>
            <div class="plot">
                <span class="axis top">{top}</span>
                <svg viewBox="0 0 600 160" preserveAspectRatio="none" role="img" aria-label=text::CURVE_LABEL>
                    <path class="grid" d="M0 .5H600M0 80H600M0 159.5H600"></path>
                    {paths}
                </svg>
            </div>
            <div class="time-axis note"><span>"0 s"</span><span>{move || text::seconds(scale.get().seconds)}</span></div>
        </figure>
    }
}

/// What the edges of the drawing stand for.
#[derive(Clone, Copy, PartialEq)]
struct Scale {
    seconds: f64,
    top: f64,
}

impl Scale {
    fn of<'a>(all: impl Iterator<Item = &'a Live>, bytes: bool) -> Self {
        let mut scale = Self { seconds: 0.5, top: 1.0 };
        for live in all {
            for (at, sample) in live.samples.iter().enumerate() {
                let value = if bytes { sample.1 as f64 } else { rate_at(&live.samples, at + 1) };
                scale.top = scale.top.max(value);
                scale.seconds = scale.seconds.max(sample.0);
            }
        }
        Self { top: round_up(scale.top), ..scale }
    }

    fn path(self, live: &Live, bytes: bool) -> String {
        let mut path = String::new();
        for (at, sample) in live.samples.iter().enumerate() {
            let value = if bytes { sample.1 as f64 } else { rate_at(&live.samples, at + 1) };
            let (x, y) = (sample.0 / self.seconds * WIDTH, HEIGHT - 1.0 - value / self.top * (HEIGHT - 2.0));
            let [x, y] = [x, y].map(text::tenths);
            for piece in [if path.is_empty() { "M" } else { "L" }, &x, " ", &y] {
                path.push_str(piece);
            }
        }
        path
    }
}

/// Bytes a second over the last few of the first `count` samples.
fn rate_at(samples: &[(f64, u64)], count: usize) -> f64 {
    let Some(last) = count.checked_sub(1).and_then(|at| samples.get(at)) else { return 0.0 };
    let first = match count.checked_sub(1 + SMOOTH) {
        Some(at) => samples[at],
        None => (0.0, 0),
    };
    let seconds = last.0 - first.0;
    if seconds > 0.0 { (last.1 - first.1) as f64 / seconds } else { 0.0 }
}

/// The next of 1, 2, 5 times a power of ten, so that the axis keeps still.
fn round_up(top: f64) -> f64 {
    let mut unit = 1.0;
    loop {
        for times in [1.0, 2.0, 5.0] {
            if top <= unit * times {
                return unit * times;
            }
        }
        unit *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_a_few_samples_and_begins_at_the_start() {
        let samples: Vec<(f64, u64)> = (1_i32..=6).map(|at| (f64::from(at), 10 * at as u64)).collect();
        assert_eq!(rate_at(&samples, 0), 0.0);
        assert_eq!(rate_at(&samples, 1), 10.0);
        assert_eq!(rate_at(&samples, 6), 10.0);
    }

    #[test]
    fn a_curve_fills_the_drawing() {
        let live = Live { expected: 100, samples: vec![(1.0, 50), (2.0, 100)], ..Live::default() };
        let scale = Scale::of([&live].into_iter(), true);
        assert_eq!((scale.seconds, scale.top), (2.0, 100.0));
        assert_eq!(scale.path(&live, true), "M300.0 80.0L600.0 1.0");
    }
}
