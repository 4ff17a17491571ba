//! How far something has come: a bar on a terminal, lines now and then where they are asked for, JSON where that is.

mod hashing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{self, Output, units};

pub(crate) use hashing::hashed;

/// Between two lines where there is no bar.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// How often a bar is drawn anew, a second.
const BAR_HZ: u8 = 8;

/// How often whoever tells a [`Meter`] should do so.
pub(crate) const TOLD_EVERY: Duration = Duration::from_millis(150);

/// Shows how many bytes of a total are there.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    lines: bool,
    last_line: Option<Instant>,
}

impl Meter {
    /// Nothing done yet of `total` bytes, 0 where that is not known yet.
    pub(crate) fn new(output: &Output, total: u64) -> Self {
        let bar = output.has_bar().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(BAR_HZ);
            let bar = ProgressBar::with_draw_target(Some(total), target);
            let colour = if output::colours(&std::io::stderr()) { ".cyan/dim" } else { "" };
            let template = format!("  {{bar:24{colour}}} {{percent:>3}} %  {{wide_msg}}");
            // A template that is not understood would be our mistake; the bar's own then does.
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Self { bar, lines: output.has_lines(), last_line: None }
    }

    /// How far it is, and what to say of it.
    pub(crate) fn set(&mut self, done: u64, total: u64, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                bar.set_length(total);
            }
            bar.set_position(done);
            bar.set_message(text());
        } else if self.lines && self.last_line.is_none_or(|last| last.elapsed() >= LINES_EVERY) {
            self.last_line = Some(Instant::now());
            eprintln_quietly(&format!("{:>3} %  {}", shared::units::percent(done, total), text()));
        }
    }

    /// A line above the bar, or among the lines.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("  {text}")),
            None if self.lines => eprintln_quietly(text),
            None => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.clear();
    }
}

fn eprintln_quietly(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A rate over the last few seconds, of a count that only grows.
#[derive(Debug)]
pub(crate) struct RecentRate {
    seen: VecDeque<(Instant, u64)>,
}

impl RecentRate {
    const OVER: Duration = Duration::from_secs(2);

    pub(crate) fn new() -> Self {
        Self { seen: VecDeque::from([(Instant::now(), 0)]) }
    }

    /// Takes in the present count; answers the rate, in bytes a second.
    pub(crate) fn at(&mut self, count: u64) -> u64 {
        let now = Instant::now();
        self.seen.push_back((now, count));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(at, _)| now - *at > Self::OVER) {
            self.seen.pop_front();
        }
        let Some((since, from)) = self.seen.front() else { return 0 };
        units::average(count.saturating_sub(*from), now - *since)
    }
}
