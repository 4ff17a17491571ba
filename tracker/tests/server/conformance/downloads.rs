//! Who has everything, who came by it here, and who wants no more (BEP 3, 21, 48).

use tracker::config::Config;

use super::{Member, WAYS, downloaders};
use crate::support::Server;

const EVENTS: [&str; 5] = ["", "started", "completed", "stopped", "paused"];

#[tokio::test]
async fn each_event_is_one_from_every_state() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        for (number, before) in EVENTS.into_iter().enumerate() {
            for event in EVENTS {
                let torrent = format!("{way:?}{number}{event}");
                let mut member = Member::new(&server, way, "a", 1).await;
                member.announce(&torrent, Some(5), before).await;
                let counts = member.announce(&torrent, Some(5), event).await;
                let expected = match event {
                    "stopped" => (0, 0),
                    "completed" => (1, 0),
                    _ => (0, 1),
                };
                assert_eq!(counts, expected, "{way:?}: {before}, then {event}");
            }
        }
    }
}

#[tokio::test]
async fn who_completed_has_everything_whatever_is_said_to_be_left() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        for left in [None, Some(0), Some(16_384)] {
            let torrent = format!("{way:?}{left:?}");
            let mut member = Member::new(&server, way, "a", 1).await;
            assert_eq!(member.announce(&torrent, left.filter(|left| *left > 0), "started").await, (0, 1));
            assert_eq!(member.announce(&torrent, left, "completed").await, (1, 0), "{way:?} {left:?}");
        }
    }
}

#[tokio::test]
async fn a_partial_seed_is_incomplete_and_no_downloader() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        let torrent = format!("{way:?}");
        let mut other = Member::new(&server, way, "b", 2).await;
        other.announce(&torrent, Some(5), "started").await;
        let mut member = Member::new(&server, way, "a", 1).await;
        for (left, event, counts, active) in [
            (Some(5), "started", (0, 2), 2),
            (Some(5), "paused", (0, 2), 1),
            (Some(5), "paused", (0, 2), 1),
            // It is said with every announce, or holds no longer.
            (Some(5), "", (0, 2), 2),
            (None, "paused", (0, 2), 1),
            (Some(0), "paused", (1, 1), 1),
            (Some(5), "paused", (0, 2), 1),
            (Some(5), "stopped", (0, 1), 1),
            (Some(5), "paused", (0, 2), 1),
        ] {
            let at = format!("{way:?}: {event} with {left:?} left");
            assert_eq!(member.announce(&torrent, left, event).await, counts, "{at}");
            assert_eq!(downloaders(&server, &torrent).await, [active; 2], "{at}");
        }
        assert_eq!(downloaders(&server, "nobody").await, [0, 0]);
    }
    // Who was on a WebSocket left with it.
    server.until_stat("partialSeeds", WAYS.len() as u64 - 1).await;
}

/// At least as many as are here and have everything: the count begins with the swarm, which they may be older than.
#[tokio::test]
async fn downloads_are_counted_once_each_and_outlast_who_made_them() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        let torrent = format!("{way:?}");
        let mut seed = Member::new(&server, way, "seed", 1).await;
        seed.announce(&torrent, Some(0), "started").await;
        assert_eq!(seed.scrape(&[&torrent]).await, [[1, 1, 0]], "{way:?}");
        for number in 1..=3_u16 {
            let mut leech = Member::new(&server, way, "leech", 10 + number).await;
            leech.announce(&torrent, Some(5), "started").await;
            leech.announce(&torrent, Some(0), "completed").await;
            // Said again, as some clients do, it is no other download.
            leech.announce(&torrent, Some(0), "completed").await;
            leech.announce(&torrent, Some(0), "").await;
            leech.announce(&torrent, Some(0), "stopped").await;
            assert_eq!(seed.scrape(&[&torrent]).await, [[1, number.into(), 0]], "{way:?}");
        }
    }
}

#[tokio::test]
async fn scrapes_answer_in_order_and_unknown_swarms_are_empty() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        let mut member = Member::new(&server, way, "a", 1).await;
        let (one, two) = (format!("{way:?}1"), format!("{way:?}2"));
        member.announce(&one, Some(0), "started").await;
        member.announce(&two, Some(1), "started").await;
        let scraped = member.scrape(&[&two, "unknown", &one]).await;
        assert_eq!(scraped, [[0, 0, 1], [0, 0, 0], [1, 1, 0]], "{way:?}");
        assert_eq!(member.scrape(&[&one]).await, [[1, 1, 0]], "{way:?}");
    }
}
