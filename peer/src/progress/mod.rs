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

/// Words in place of a bar.
const TALKING: &str = "  {spinner} {wide_msg}";

/// How often whoever tells a [`Meter`] should do so.
pub(crate) const TOLD_EVERY: Duration = Duration::from_millis(150);

/// Between two events where what happens is told as JSON.
const EVENTS_EVERY: Duration = Duration::from_secs(1);

/// Shows how many bytes of a total are there, or, of what has no end, how it goes.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    /// Of the bar, while it does not talk.
    style: ProgressStyle,
    talks: bool,
    lines: bool,
    last_line: Option<Instant>,
    last_text: String,
    last_event: Option<Instant>,
}

impl Meter {
    /// Nothing done yet of `total` bytes, 0 where that is not known yet.
    pub(crate) fn new(output: &Output, total: u64) -> Self {
        let colour = if output::colours(&std::io::stderr()) { ".cyan/dim" } else { "" };
        let template = format!("  {{bar:20{colour}}} {{percent:>3}} %  {{wide_msg}}");
        Self::with_bar(output, Some(total), style(&template))
    }

    /// For what has no end.
    pub(crate) fn unbounded(output: &Output) -> Self {
        Self::with_bar(output, None, style(TALKING))
    }

    fn with_bar(output: &Output, total: Option<u64>, style: ProgressStyle) -> Self {
        let bar = output.has_bar().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(BAR_HZ);
            ProgressBar::with_draw_target(total, target).with_style(style.clone())
        });
        let (lines, last_text) = (output.has_lines(), String::new());
        Self { bar, style, talks: false, lines, last_line: None, last_text, last_event: None }
    }

    /// How far it is, and what to say of it.
    pub(crate) fn set(&mut self, done: u64, total: u64, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if std::mem::take(&mut self.talks) {
                bar.set_style(self.style.clone());
            }
            if bar.length() != Some(total) {
                // Nothing of nothing would be shown as all of it.
                bar.set_length(total.max(1));
            }
            bar.set_position(done);
            bar.set_message(text());
        } else if self.lines && self.last_line.is_none_or(|last| last.elapsed() >= LINES_EVERY) {
            self.last_line = Some(Instant::now());
            eprintln_quietly(&format!("{:>3} %  {}", shared::units::percent(done, total), text()));
        }
    }

    /// How that goes which has no end, or why that does not go on which has: there is room for words in place of the bar.
    pub(crate) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if !std::mem::replace(&mut self.talks, true) {
                bar.set_style(style(TALKING));
            }
            bar.set_message(text());
            bar.tick();
        } else if self.lines && self.last_line.is_none_or(|last| last.elapsed() >= LINES_EVERY) {
            let text = text();
            if text != self.last_text {
                self.last_line = Some(Instant::now());
                eprintln_quietly(&text);
                self.last_text = text;
            }
        }
    }

    /// Whether it is time for another event of progress; then it is not for a while.
    pub(crate) fn is_event_due(&mut self) -> bool {
        let due = self.last_event.is_none_or(|last| last.elapsed() >= EVENTS_EVERY);
        if due {
            self.last_event = Some(Instant::now());
        }
        due
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

fn style(template: &str) -> ProgressStyle {
    // A template that is not understood would be our mistake; the bar's own then does.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
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
