//! The tab's title and icon: how far, and what, for those who look at another tab.

use leptos::prelude::*;
use shared::engine::Phase;

use super::Ui;
use crate::client::CreationState;
use crate::{document, text, units};

impl Ui {
    /// How far all downloads and fingerprints of this tab are together, in hundredths; `None` while none is under way.
    pub fn overall(self) -> Option<u64> {
        let client = self.client();
        let state = client.state();
        let (mut part, mut whole) = (0_u64, 0_u64);
        state.creations.with(|all| {
            for one in all.iter().filter(|one| one.state == CreationState::Hashing) {
                part += one.hashed_bytes;
                whole += one.total_bytes;
            }
        });
        for row in state.transfers.get() {
            row.view.with(|view| {
                if matches!(view.torrent.phase, Phase::Downloading | Phase::Checking) {
                    part += view.torrent.verified_bytes;
                    whole += view.torrent.total_bytes;
                }
            });
        }
        (whole > 0).then(|| units::percent(part, whole))
    }

    fn subject(self) -> Option<(String, &'static str)> {
        let view = self.transfer(self.current.get()?)?;
        view.with(|view| {
            let sign = match view.torrent.phase {
                Phase::Complete => "\u{2713} ",
                Phase::Seeding => "\u{2191} ",
                Phase::Error => "! ",
                Phase::Paused => "\u{2016} ",
                _ => "",
            };
            Some((view.torrent.name.clone()?, sign))
        })
    }
}

/// Keeps title and icon current.
pub fn keep(ui: Ui) {
    let overall = Memo::new(move |_| ui.overall());
    let subject = Memo::new(move |_| ui.subject());
    Effect::new(move |_| {
        let mut title = String::new();
        if let Some(percent) = overall.get() {
            title = [&percent.to_string(), " % "].concat();
        }
        match subject.get() {
            Some((name, sign)) => {
                document::set_title(&[&title, sign, &name, " \u{2013} ", text::NAME].concat())
            }
            None => document::set_title(&[&title, text::NAME].concat()),
        }
    });
    let cells = Memo::new(move |_| overall.get().map_or(9, |percent| percent * 9 / 100));
    Effect::new(move |_| document::set_icon(cells.get()));
}
