use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared::id::{InfoHash, PeerId};
use shared::rng::Rng;
use shared::time::Instant;
use shared::tracker::announce::{AnnounceRequest, Event};
use shared::tracker::ws::{Announce, Json, Offer, Request, Response};

use super::super::address::{At, Found, Reach};
use super::super::{Limits, SocketId, SocketTally};
use super::*;

/// Who is in which network, as it is kept and as a search through all members finds it.
pub(in crate::swarm) fn check(swarms: &Swarms) {
    let Some(neighbours) = &swarms.neighbours else { return };
    let Neighbours { ipv6_prefix, v4, v6, sockets } = &**neighbours;
    let mut found = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<Of, BTreeSet<Slot>>::new());
    for torrent in swarms.torrents.iter() {
        let slot = swarms.torrents.find(&swarms.keys, &torrent.info_hash).unwrap();
        gather(*ipv6_prefix, slot, &torrent.v4, &mut found.0);
        torrent.v6.iter().for_each(|peers| gather(*ipv6_prefix, slot, peers, &mut found.1));
    }
    for member in swarms.members.iter() {
        let Some(socket) = swarms.sockets.get(&member.key.socket) else { continue };
        let of = (member.key.torrent, network(socket.ip, *ipv6_prefix));
        let slot = swarms.find(&member.key).unwrap();
        let roles = sockets.get(&swarms.keys, &of).unwrap();
        assert_eq!(roles.list(member.role)[member.near_place as usize], slot);
        found.2.entry(of).or_default().insert(slot);
    }
    assert_eq!(kept(&swarms.keys, v4, entries), found.0);
    assert_eq!(kept(&swarms.keys, v6, entries), found.1);
    assert_eq!(kept(&swarms.keys, sockets, |roles| roles.all().copied().collect()), found.2);
}

/// As text, which has an order.
fn entries<const N: usize>(peers: &Peers<N>) -> BTreeSet<String> {
    peers.entries().iter().map(|entry| format!("{entry:?}")).collect()
}

fn gather<const N: usize>(
    ipv6_prefix: u8,
    torrent: TorrentSlot,
    peers: &Peers<N>,
    found: &mut BTreeMap<Of, BTreeSet<String>>,
) where
    Entry<N>: At,
{
    for entry in peers.entries() {
        let of = (torrent, network(entry.ip(), ipv6_prefix));
        found.entry(of).or_default().insert(format!("{entry:?}"));
    }
}

fn kept<M: Default, T>(keys: &Keys, groups: &Groups<M>, members: impl Fn(&M) -> T) -> BTreeMap<Of, T> {
    assert_eq!(groups.index.len(), groups.groups.len() - groups.free.len());
    let all = groups.groups.iter().flatten();
    all.inspect(|(of, _)| assert!(groups.get(keys, of).is_some()))
        .map(|(of, group)| (*of, members(group)))
        .collect()
}

const WAIT_MAX: u64 = 400;

/// Three in a private network and two of another, two behind one address, two in one IPv6 network and one in another.
const HOSTS: [&str; 10] = [
    "192.168.1.1",
    "192.168.1.2",
    "192.168.1.200",
    "192.168.2.1",
    "10.0.0.9",
    "198.51.100.1",
    "198.51.100.2",
    "2001:db8::1",
    "2001:db8::ffff:1",
    "2001:db8:0:1::1",
];

fn host(number: usize) -> IpAddr {
    HOSTS[number].parse().unwrap()
}

fn swarms() -> Swarms {
    let limits = Limits { neighbours_first: true, ..Limits::default() };
    Swarms::new(limits, Rng::from_seed([9; 32]))
}

#[test]
fn neighbours_share_an_address_or_a_private_network() {
    let same = |one: &str, other: &str| {
        let of = |text: &str| network(text.parse().unwrap(), 56);
        of(one) == of(other)
    };
    for (one, other, expected) in [
        ("8.8.8.8", "8.8.8.8", true),
        ("8.8.8.8", "8.8.8.9", false),
        ("192.168.1.1", "192.168.1.254", true),
        ("192.168.1.1", "192.168.2.1", false),
        ("10.1.2.3", "10.1.2.4", true),
        ("172.16.0.1", "172.16.0.2", true),
        ("172.32.0.1", "172.32.0.2", false),
        ("169.254.7.1", "169.254.7.2", true),
        ("127.0.0.1", "127.0.0.2", true),
        ("100.64.0.1", "100.64.0.2", false),
        ("::ffff:10.1.2.3", "10.1.2.4", true),
        ("2001:db8:0:100::1", "2001:db8:0:1ff::2", true),
        ("2001:db8:0:100::1", "2001:db8:0:200::1", false),
        ("::1", "127.0.0.1", false),
    ] {
        assert_eq!(same(one, other), expected, "{one} {other}");
    }
}

#[test]
fn a_part_is_left_to_anybody() {
    let mut rng = Rng::from_seed([1; 32]);
    for (wanted, least, all) in [(0, 0, 0), (1, 0, 1), (2, 1, 2), (4, 3, 3), (10, 7, 8), (50, 37, 38)] {
        let drawn: BTreeSet<usize> = (0..200).map(|_| most(&mut rng, wanted)).collect();
        assert_eq!((drawn.first(), drawn.last()), (Some(&least), Some(&all)), "{wanted}");
    }
}

#[test]
fn a_full_house_hears_of_the_seed_outside() {
    let mut swarms = swarms();
    let mut found = Found::default();
    let mut ask = |ip: &str, port, left, wanted| {
        found.clear(false);
        let request = AnnounceRequest { wanted: Some(wanted), ..request(0, port, left, Event::Update) };
        let ip = ip.parse().unwrap();
        swarms.announce_address(Instant::ORIGIN, ip, &request, Reach::Both, 50, &mut found).unwrap();
        found.addresses().collect::<Vec<_>>()
    };
    ask("203.0.113.1", 1, 0, 0);
    (1..=30).for_each(|port| drop(ask("198.51.100.1", port, 1, 0)));
    let told = (0..400).filter(|_| {
        let told = ask("198.51.100.1", 1, 1, 1);
        assert_eq!(told.len(), 1);
        told[0].ip() != IpAddr::from([198, 51, 100, 1])
    });
    // One in four of 400 is anybody, one of thirty.
    assert!((1..20).contains(&told.count()));
    let told = ask("198.51.100.1", 1, 1, 50);
    assert_eq!(told.len(), 30, "all of them, where they are fewer than wanted");
}

fn request(torrent: u8, port: u16, left: u64, event: Event) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([torrent; 20]),
        peer_id: PeerId([port as u8; 20]),
        port,
        uploaded: 0,
        downloaded: 1,
        left: Some(left),
        event,
        wanted: None,
        key: 0,
        tracker_id: None,
    }
}

/// The fewest of `wanted` that are neighbours if there are so many.
fn least(wanted: usize) -> usize {
    wanted - wanted.div_ceil(ANYBODY)
}

/// That `told` is what may be told of: whom there is `near` before `others`, as many as wanted, and nobody twice.
fn judge<T: Ord + Copy>(told: &[T], near: &BTreeSet<T>, others: &BTreeSet<T>, wanted: usize) {
    let all: BTreeSet<T> = told.iter().copied().collect();
    assert_eq!(all.len(), told.len(), "nobody twice");
    assert_eq!(told.len(), wanted.min(near.len() + others.len()));
    assert!(all.iter().all(|one| near.contains(one) || others.contains(one)));
    let first = least(wanted).min(near.len());
    assert!(told[..first].iter().all(|one| near.contains(one)), "neighbours come first");
}

#[derive(Clone, Debug)]
enum Step {
    Address { host: usize, port: u16, torrent: u8, left: u64, event: Event, wanted: u32 },
    Socket { number: usize, torrent: u8, left: u64, event: Event, offers: usize },
    Close(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let event = || prop::sample::select(vec![Event::Update, Event::Paused, Event::Completed, Event::Stopped]);
    prop_oneof![
        8 => (0..HOSTS.len(), 1_u16..4, 0_u8..2, 0_u64..2, event(), 0_u32..9).prop_map(
            |(host, port, torrent, left, event, wanted)| Step::Address { host, port, torrent, left, event, wanted }
        ),
        8 => (0..2 * HOSTS.len(), 0_u8..2, 0_u64..2, event(), 0_usize..9).prop_map(
            |(number, torrent, left, event, offers)| Step::Socket { number, torrent, left, event, offers }
        ),
        1 => (0..2 * HOSTS.len()).prop_map(Step::Close),
        1 => (1..WAIT_MAX).prop_map(Step::Wait),
    ]
}

/// All members with their roles and when they expire: a list that is searched from end to end.
#[derive(Default)]
struct Model {
    addresses: BTreeMap<(u8, SocketAddr), (Role, u64)>,
    sockets: BTreeMap<(u8, usize), (Role, u64)>,
}

impl Model {
    fn announced<K: Ord>(
        members: &mut BTreeMap<K, (Role, u64)>,
        key: K,
        left: u64,
        event: Event,
        expires: u64,
    ) -> Role {
        let role = Role::of(Some(left), event);
        match event {
            Event::Stopped => members.remove(&key),
            _ => members.insert(key, (role, expires)),
        };
        role
    }

    /// Who may be introduced to this one, apart: its neighbours, and others.
    fn split<T: Ord>(
        all: impl Iterator<Item = (T, IpAddr, Role)>,
        ip: IpAddr,
        role: Role,
    ) -> (BTreeSet<T>, BTreeSet<T>) {
        let (mut near, mut others) = (BTreeSet::new(), BTreeSet::new());
        for (it, at, _) in all.filter(|(.., of)| !(role.is_seed() && of.is_seed())) {
            let is_near = network(at, 64) == network(ip, 64);
            if is_near {
                near.insert(it)
            } else {
                others.insert(it)
            };
        }
        (near, others)
    }
}

#[test]
fn what_a_peak_of_networks_took_is_given_back() {
    let (keys, mut groups) = (Keys::new(&mut Rng::from_seed([1; 32])), Groups::<Vec<u32>>::default());
    let of = |number: u32| (number % 3, IpAddr::from(number.to_be_bytes()));
    (0..10_000).for_each(|number| groups.get_or_insert(&keys, of(number)).push(number));
    (0..10_000).filter(|number| number % 100 != 7).for_each(|number| groups.remove(&keys, &of(number)));
    assert!(groups.groups.capacity() < 1_000 && groups.free.capacity() < 1_000, "{}", groups.groups.len());
    let left = kept(&keys, &groups, Clone::clone);
    assert_eq!(
        left,
        (0..10_000).filter(|number| number % 100 == 7).map(|number| (of(number), vec![number])).collect()
    );
}

proptest! {
    /// Against a model that searches all members: whoever announces is introduced to neighbours before all others, to as many as it wants
    /// and as there are, to nobody twice, and as a seed to no seed.
    #[test]
    fn neighbours_come_first_and_the_rules_hold(steps in prop::collection::vec(step(), 1..150)) {
        let mut swarms = swarms();
        let (mut model, mut now) = (Model::default(), 0_u64);
        // No connection has the number of one that was closed.
        let mut ids: Vec<usize> = (0..2 * HOSTS.len()).collect();
        let host_of = |id: usize| host(id / 2 % HOSTS.len());
        let limits = Limits::default();
        for (at, step) in steps.into_iter().enumerate() {
            let clock = Instant::from_millis(now * 1_000);
            match step {
                Step::Address { host: number, port, torrent, left, event, wanted } => {
                    let ip = host(number);
                    let own = SocketAddr::new(ip, port);
                    let expires = now + limits.address_timeout.as_secs();
                    let role = Model::announced(&mut model.addresses, (torrent, own), left, event, expires);
                    let announce = AnnounceRequest { wanted: Some(wanted), ..request(torrent, port, left, event) };
                    let mut found = Found::default();
                    swarms.announce_address(clock, ip, &announce, Reach::OwnFamily, 7, &mut found).unwrap();
                    let told: Vec<_> = found.addresses().collect();
                    let all = model.addresses.iter().filter(|((of, other), _)| {
                        *of == torrent && *other != own && other.is_ipv4() == ip.is_ipv4()
                    });
                    let (near, others) = Model::split(all.map(|((_, at), (role, _))| (*at, at.ip(), *role)), ip, role);
                    let wanted = if event == Event::Stopped { 0 } else { wanted.min(7) as usize };
                    judge(&told, &near, &others, wanted);
                }
                Step::Socket { number, torrent, left, event, offers } => {
                    let (number, ip) = (ids[number], host(number / 2));
                    let socket = SocketId(number as u64);
                    swarms.open(socket, ip, &SocketTally::default());
                    let expires = now + limits.member_timeout.as_secs();
                    let role = Model::announced(&mut model.sockets, (torrent, number), left, event, expires);
                    let made: Vec<_> = (0..offers).map(|offer| format!("{at} {offer}")).collect();
                    let sent = made.iter().map(|id| Offer { offer_id: id.as_str().into(), offer: Json::parse("{}").unwrap() });
                    let (info_hash, peer_id) = (InfoHash([torrent; 20]), PeerId([number as u8; 20]));
                    let announce = Announce { info_hash, peer_id, left: Some(left), event, offers: sent.collect() };
                    let mut replies = Vec::new();
                    swarms.handle(clock, socket, Request::Announce(announce), &mut replies);
                    let offered = replies.iter().filter_map(|reply| match &reply.response {
                        Response::Offer { offer_id, .. } => Some((reply.to.0 as usize, offer_id.to_string())),
                        _ => None,
                    });
                    let (told, ids): (Vec<_>, Vec<_>) = offered.unzip();
                    let all = model.sockets.iter().filter(|((of, other), _)| *of == torrent && *other != number);
                    let (near, others) = Model::split(all.map(|((_, at), (role, _))| (*at, host_of(*at), *role)), ip, role);
                    judge(&told, &near, &others, if event == Event::Stopped { 0 } else { offers });
                    prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each offer once");
                    prop_assert!(ids.iter().all(|id| made.contains(id)));
                }
                Step::Close(number) => {
                    swarms.close(SocketId(ids[number] as u64));
                    model.sockets.retain(|(_, socket), _| *socket != ids[number]);
                    ids[number] += ids.len();
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    model.addresses.retain(|_, (_, expires)| *expires > now);
                    model.sockets.retain(|_, (_, expires)| *expires > now);
                    // Found by and by; until then there may be fewer than wanted.
                    swarms.expire(Instant::from_millis(now * 1_000));
                    swarms.expire(Instant::from_millis(now * 1_000) + Duration::from_secs(1));
                    now += 1;
                    model.addresses.retain(|_, (_, expires)| *expires > now);
                    model.sockets.retain(|_, (_, expires)| *expires > now);
                }
            }
            check(&swarms);
        }
        swarms.expire(Instant::from_millis((now + 2_000) * 1_000));
        let neighbours = swarms.neighbours.as_ref().unwrap();
        prop_assert!(neighbours.v4.groups.is_empty() && neighbours.v6.groups.is_empty() && neighbours.sockets.groups.is_empty());
    }
}
