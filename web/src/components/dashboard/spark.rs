//! A small chart of the last two minutes: one or several values, over or on top of one another.

use leptos::prelude::*;

use crate::dashboard::model::WINDOW;

/// Height of the drawing; a sample is five wide.
const HEIGHT: f64 = 40.0;
const STEP: f64 = 5.0;

/// One value in a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Class of its colour.
    pub class: &'static str,
    /// Oldest first, one a second.
    pub values: Vec<f64>,
    /// Drawn as a line, not as an area.
    pub line: bool,
}

/// Areas stand on top of one another, lines by themselves.
#[component]
pub fn Spark(#[prop(into)] series: Signal<Vec<Series>>) -> impl IntoView {
    let frame = ["0 0 ", &((WINDOW - 1) as f64 * STEP).to_string(), " ", &HEIGHT.to_string()].concat();
    let paths = move || {
        let drawn = series.with(|series| draw(series));
        drawn.into_iter().map(|(class, path)| view! { <path class=class d=path></path> }).collect::<Vec<_>>()
    };
    view! {
        <svg class="spark" viewBox=frame preserveAspectRatio="none" aria-hidden="true">
            <path class="grid" d="M0 39.5H595"></path>
            {paths}
        </svg>
    }
}

/// Class and path of each.
fn draw(series: &[Series]) -> Vec<(String, String)> {
    let samples = series.iter().map(|one| one.values.len()).max().unwrap_or(0);
    let mut stacked = vec![0.0; samples];
    for one in series.iter().filter(|one| !one.line) {
        one.values.iter().zip(&mut stacked).for_each(|(value, sum)| *sum += value);
    }
    let lines = series.iter().filter(|one| one.line).flat_map(|one| one.values.iter().copied());
    let top = lines.chain(stacked).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut ground = vec![0.0; samples];
    let mut drawn = Vec::with_capacity(series.len());
    for one in series.iter().filter(|one| !one.values.is_empty()) {
        if one.line {
            drawn.push((["line ", one.class].concat(), path(&one.values, top)));
            continue;
        }
        let upper: Vec<f64> = one.values.iter().zip(&ground).map(|(value, below)| value + below).collect();
        let mut area = path(&upper, top);
        let first = WINDOW - upper.len();
        for (place, below) in ground.iter().enumerate().take(upper.len()).rev() {
            push(&mut area, "L", first + place, *below, top);
        }
        area.push('z');
        drawn.push((["area ", one.class].concat(), area));
        ground = upper;
    }
    drawn
}

fn path(values: &[f64], top: f64) -> String {
    let mut path = String::with_capacity(values.len() * 9);
    let first = WINDOW - values.len().min(WINDOW);
    for (place, value) in values.iter().enumerate() {
        let step = if path.is_empty() { "M" } else { "L" };
        push(&mut path, step, first + place, *value, top);
    }
    path
}

fn push(path: &mut String, step: &str, place: usize, value: f64, top: f64) {
    let y = HEIGHT - 1.0 - value / top * (HEIGHT - 3.0);
    let y = (y * 10.0).round() / 10.0;
    for piece in [step, &(place as f64 * STEP).to_string(), " ", &y.to_string()] {
        path.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stand_on_each_other_and_the_newest_is_at_the_right() {
        let one = |class, values: &[f64], line| Series { class, values: values.to_vec(), line };
        let drawn =
            draw(&[one("a", &[0.0, 5.0], false), one("b", &[10.0, 5.0], false), one("c", &[1.0], true)]);
        assert_eq!(drawn[0], ("area a".to_owned(), "M590 39L595 20.5L595 39L590 39z".to_owned()));
        assert_eq!(drawn[1], ("area b".to_owned(), "M590 2L595 2L595 20.5L590 39z".to_owned()));
        assert_eq!(drawn[2], ("line c".to_owned(), "M595 35.3".to_owned()));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(draw(&[]).is_empty());
        let flat = draw(&[Series { class: "a", values: vec![0.0; 3], line: true }]);
        assert_eq!(flat[0].1, "M585 39L590 39L595 39");
    }
}
