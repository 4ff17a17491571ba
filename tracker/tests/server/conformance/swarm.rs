//! What holds in each protocol, and in all mixes of them.

use tracker::config::Config;
use tracker::swarm::Limits;

use super::{Member, WAYS, Way};
use crate::support::Server;

/// The course of the reference tracker's own test of a server.
#[tokio::test]
async fn the_life_of_a_swarm_in_every_mix_of_protocols() {
    let server = Server::start(Config::default()).await;
    for (number, ways) in mixes().enumerate() {
        let torrent = format!("t{number}");
        let mut first = Member::new(&server, ways[0], "first", 6881).await;
        assert_eq!(first.announce(&torrent, Some(9), "started").await, (0, 1), "{ways:?}");
        assert_eq!(first.announce(&torrent, Some(0), "completed").await, (1, 0), "{ways:?}");
        assert_eq!(first.scrape(&[&torrent]).await, [[1, 1, 0]], "{ways:?}");
        let mut second = Member::new(&server, ways[1], "second", 6882).await;
        assert_eq!(second.announce(&torrent, Some(9), "started").await, (1, 1), "{ways:?}");
        let mut third = Member::new(&server, ways[2], "third", 6880).await;
        assert_eq!(third.announce(&torrent, Some(9), "started").await, (1, 2), "{ways:?}");
        assert_eq!(third.scrape(&[&torrent]).await, [[1, 1, 2]], "{ways:?}");
        assert_eq!(second.announce(&torrent, Some(9), "stopped").await, (1, 1), "{ways:?}");
        assert_eq!(third.announce(&torrent, Some(9), "stopped").await, (1, 0), "{ways:?}");
        assert_eq!(first.announce(&torrent, Some(0), "stopped").await, (0, 0), "{ways:?}");
    }
    assert_eq!(server.stats().await["torrents"], 0);
}

fn mixes() -> impl Iterator<Item = [Way; 3]> {
    (0..27).map(|number| [WAYS[number / 9], WAYS[number / 3 % 3], WAYS[number % 3]])
}

#[tokio::test]
async fn who_does_not_know_what_is_left_is_a_leecher() {
    let server = Server::start(Config::default()).await;
    for way in WAYS {
        let torrent = format!("{way:?}");
        let mut member = Member::new(&server, way, "a", 1).await;
        assert_eq!(member.announce(&torrent, None, "started").await, (0, 1), "{way:?}");
        assert_eq!(member.announce(&torrent, None, "").await, (0, 1), "{way:?}");
        assert_eq!(member.announce(&torrent, Some(0), "").await, (1, 0), "{way:?}");
        assert_eq!(member.announce(&torrent, Some(7), "").await, (0, 1), "a file was lost, {way:?}");
    }
}

#[tokio::test]
async fn a_full_swarm_refuses_newcomers_in_words_and_keeps_its_members() {
    let swarm = Limits { members_per_torrent: 2, ..Limits::default() };
    let server = Server::start(Config { swarm, ..Config::default() }).await;
    for way in WAYS {
        let torrent = format!("{way:?}");
        let mut members = Vec::new();
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            members.push(Member::new(&server, way, name, 1 + number as u16).await);
        }
        assert_eq!(members[0].announce(&torrent, Some(1), "started").await, (0, 1));
        assert_eq!(members[1].announce(&torrent, Some(1), "started").await, (0, 2));
        let refused = members[2].try_announce(&torrent, Some(1), "started").await.unwrap_err();
        assert!(refused.contains("at most 2"), "{way:?}: {refused}");
        assert_eq!(members[0].announce(&torrent, Some(1), "").await, (0, 2), "{way:?}");
        assert_eq!(members[1].announce(&torrent, Some(1), "stopped").await, (0, 1), "{way:?}");
        assert_eq!(members[2].announce(&torrent, Some(1), "started").await, (0, 2), "{way:?}");
    }
}
