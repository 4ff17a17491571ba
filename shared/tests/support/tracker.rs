use std::collections::BTreeMap;

use shared::id::{InfoHash, PeerId};
use shared::tracker::ws::{Announce, Event, Failure, Offer, Report, Request, Response};

/// A tracker that relays each offer to another member, in order.
#[derive(Default)]
pub struct Tracker {
    pub down: bool,
    /// Members: host, URL, peer id, complete.
    pub swarms: BTreeMap<InfoHash, Vec<Member>>,
    pub announces: Vec<(usize, Announce<'static>)>,
    pub interval: Option<u32>,
    /// Refuses every announce with this; whether the info-hash is named.
    pub refuse: Option<(String, bool)>,
    pub relayed: u32,
    /// Takes everything and says nothing.
    pub mute: bool,
    /// Keeps the offers of the first announce until somebody else announces, so that both sides' offers cross.
    pub eager: bool,
    kept: Vec<(PeerId, Vec<Offer<'static>>)>,
    /// Who said how far it is, and at which URL.
    pub reports: Vec<(usize, String, Report)>,
}

pub struct Member {
    host: usize,
    url: String,
    peer: PeerId,
    complete: bool,
}

impl Tracker {
    /// Takes a message; answers with who gets what.
    pub fn message(&mut self, host: usize, url: &str, text: &str) -> Vec<(usize, String)> {
        if self.mute {
            return Vec::new();
        }
        if let Some(report) = Report::parse(text) {
            self.reports.push((host, url.to_owned(), report));
            return Vec::new();
        }
        // What it keeps is borrowed from the message, and it keeps all.
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        match Request::parse(text).expect("a valid request") {
            Request::Announce(announce) => self.announce(host, url, announce),
            Request::Answer(answer) => {
                let members = self.swarms.get(&answer.info_hash).map_or(&[][..], Vec::as_slice);
                let Some(to) = members.iter().find(|member| member.peer == answer.to_peer_id) else {
                    return Vec::new();
                };
                let response = Response::Answer {
                    info_hash: answer.info_hash,
                    peer_id: answer.peer_id,
                    offer_id: answer.offer_id,
                    answer: answer.answer,
                };
                vec![(to.host, response.to_json())]
            }
            Request::Scrape(_) => Vec::new(),
        }
    }

    fn announce(&mut self, host: usize, url: &str, announce: Announce<'static>) -> Vec<(usize, String)> {
        self.announces.push((host, announce.clone()));
        let Announce { info_hash, peer_id, left, event, offers } = announce;
        if let Some((reason, named)) = &self.refuse {
            let info_hash = named.then_some(info_hash);
            return vec![(
                host,
                Response::Failure(Failure { action: None, info_hash, reason: reason.clone() }).to_json(),
            )];
        }
        let members = self.swarms.entry(info_hash).or_default();
        members.retain(|member| member.host != host || member.peer != peer_id);
        if event != Event::Stopped {
            members.push(Member { host, url: url.to_owned(), peer: peer_id, complete: left == Some(0) });
        }
        let complete = members.iter().filter(|member| member.complete).count() as u32;
        let incomplete = members.len() as u32 - complete;
        let interval = self.interval.unwrap_or(120);
        let mut replies =
            vec![(host, Response::Announced { info_hash, interval, complete, incomplete }.to_json())];
        if self.eager && members.len() == 1 {
            self.kept.push((peer_id, offers));
            return replies;
        }
        for (peer_id, offers) in std::mem::take(&mut self.kept) {
            for offer in offers.into_iter().take(1) {
                let response =
                    Response::Offer { info_hash, peer_id, offer_id: offer.offer_id, offer: offer.offer };
                replies.push((host, response.to_json()));
            }
        }
        let others = members.iter().filter(|member| member.peer != peer_id);
        for (offer, member) in offers.into_iter().zip(others) {
            self.relayed += 1;
            let response =
                Response::Offer { info_hash, peer_id, offer_id: offer.offer_id, offer: offer.offer };
            replies.push((member.host, response.to_json()));
        }
        replies
    }

    /// A socket closed.
    pub fn gone(&mut self, host: usize, url: &str) {
        for members in self.swarms.values_mut() {
            members.retain(|member| member.host != host || member.url != url);
        }
    }
}
