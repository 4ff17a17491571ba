//! Rates of the last two minutes, once a second.

use leptos::prelude::*;
use shared::id::InfoHash;

use crate::state::history::{History, WINDOW};
use crate::state::use_ui;
use crate::{text, units};

/// Height of the drawing; a sample is five wide.
const HEIGHT: u64 = 96;
const STEP: u64 = 5;

/// Down as an area, up as a line: told apart by shape, not by colour alone.
#[component]
pub fn RateChart(info_hash: InfoHash) -> impl IntoView {
    let history = RwSignal::from(use_ui().histories.of(info_hash));
    let top = Memo::new(move |_| history.with(|history| round_up(history.peak())));
    let down = move || history.with(|history| area(history, top.get()));
    let up = move || history.with(|history| line(history, top.get(), |sample| sample.1));
    let last = move || history.with(|history| history.samples().next_back().unwrap_or_default());
    let width = (WINDOW as u64 - 1) * STEP;
    let frame = ["0 0 ", &width.to_string(), " ", &HEIGHT.to_string()].concat();
    view! {
        <figure class="panel chart">
            <figcaption>
                <h2>{text::RATE_CHART}</h2>
                <span class="note">
                    <i class="swatch direct" aria-hidden="true"></i>{text::COL_DOWN} " " {move || units::rate(last().0)}
                    <i class="swatch line" aria-hidden="true"></i>{text::COL_UP} " " {move || units::rate(last().1)}
                </span>
            </figcaption>
            <div class="plot">
                <span class="axis top">{move || units::rate(top.get())}</span>
                <span class="axis middle">{move || units::rate(top.get() / 2)}</span>
                <svg viewBox=frame preserveAspectRatio="none" aria-hidden="true">
                    <path class="grid" d="M0 .5H595M0 48H595M0 95.5H595"></path>
                    <path class="down" d=down></path>
                    <path class="up" d=up></path>
                </svg>
            </div>
        </figure>
    }
}

/// The next of 1, 2, 5 times a power of ten, so that the axis keeps still; at least 10 kB/s.
fn round_up(peak: u64) -> u64 {
    let mut unit: u64 = 10_000;
    loop {
        for times in [1, 2, 5] {
            if peak <= unit.saturating_mul(times) {
                return unit.saturating_mul(times);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn line(history: &History, top: u64, part: impl Fn((u64, u64)) -> u64) -> String {
    let samples = history.samples();
    let first = WINDOW - samples.len();
    let mut path = String::with_capacity(samples.len() * 8);
    for (place, sample) in samples.enumerate() {
        let x = ((first + place) as u64 * STEP).to_string();
        let y = (HEIGHT
            - (u128::from(part(sample)) * u128::from(HEIGHT - 2) / u128::from(top.max(1))) as u64
            - 1)
        .to_string();
        for piece in [if path.is_empty() { "M" } else { "L" }, &x, " ", &y] {
            path.push_str(piece);
        }
    }
    path
}

fn area(history: &History, top: u64) -> String {
    let samples = history.samples().len();
    if samples == 0 {
        return String::new();
    }
    let mut path = line(history, top, |sample| sample.0);
    let (right, left) = ((WINDOW as u64 - 1) * STEP, (WINDOW - samples) as u64 * STEP);
    for piece in [
        "L",
        &right.to_string(),
        " ",
        &HEIGHT.to_string(),
        "L",
        &left.to_string(),
        " ",
        &HEIGHT.to_string(),
        "z",
    ] {
        path.push_str(piece);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_steps_by_one_two_five() {
        assert_eq!(round_up(0), 10_000);
        assert_eq!(round_up(10_001), 20_000);
        assert_eq!(round_up(12_400_000), 20_000_000);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_newest_sample_is_at_the_right_edge() {
        let mut history = History::default();
        history.note(0, 0, 0);
        history.note(1_000, 10_000, 0);
        assert_eq!(line(&history, 10_000, |sample| sample.0), "M590 95L595 1");
    }
}
