use proptest::prelude::*;
use shared::stun::TransactionId;

use super::*;
use crate::turn::credentials::Credential;

const UNIX: u64 = 1_000_000;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A table, and a client of it.
struct Bench {
    table: Table<u16>,
    credential: Credential,
    client: SocketAddr,
    now: Instant,
    transaction: u8,
    opened: u16,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
enum Back {
    Success,
    Error(u16),
    Nothing,
}

impl Bench {
    fn new(private_peers: bool) -> Self {
        let rules = Rules { allocations: 3, per_address: 2, per_second: 1_000_000, private_peers };
        let credentials = Credentials::new(b"secret");
        let credential = credentials.issue(UNIX + 3_600, 1);
        let table = Table::new(rules, credentials);
        let client = address("203.0.113.5:4000");
        Self { table, credential, client, now: at(5), transaction: 0, opened: 0 }
    }

    fn nonce(&self) -> String {
        self.table.nonce(self.client, slot(self.now))
    }

    fn signed(&mut self, method: u16, with: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        self.transaction += 1;
        let nonce = self.nonce();
        let key = Credentials::new(b"secret").key(0, &self.credential.username).unwrap();
        let mut request = Vec::new();
        let transaction = TransactionId([self.transaction; 12]);
        let mut writer = Writer::new(&mut request, Class::Request, method, transaction);
        with(&mut writer);
        for (kind, text) in [
            (attribute::USERNAME, self.credential.username.as_str()),
            (attribute::REALM, REALM),
            (attribute::NONCE, &nonce),
        ] {
            writer.attribute(kind, |value| value.extend_from_slice(text.as_bytes()));
        }
        writer.integrity(|covered| key.sign(covered));
        request
    }

    fn send(&mut self, datagram: &[u8]) -> (Back, Vec<u8>) {
        let mut reply = Vec::new();
        let port = 50_000 + self.opened;
        let open = || Some((Arc::new(port), SocketAddr::from(([198, 51, 100, 1], port))));
        let relayed = self.table.client_sent((self.now, UNIX), self.client, datagram, open, &mut reply);
        assert!(relayed.is_none());
        self.opened += 1;
        let Ok(message) = Message::parse(&reply) else { return (Back::Nothing, reply) };
        let back = match message.class {
            Class::Success => Back::Success,
            _ => {
                let value = message.attribute(attribute::ERROR_CODE).unwrap().value;
                Back::Error(u16::from(value[2]) * 100 + u16::from(value[3]))
            }
        };
        (back, reply)
    }

    fn ask(&mut self, method: u16, with: impl FnOnce(&mut Writer<'_>)) -> Back {
        let request = self.signed(method, with);
        self.send(&request).0
    }

    fn allocate(&mut self) -> Back {
        self.ask(method::ALLOCATE, |writer| {
            writer.attribute(attribute::REQUESTED_TRANSPORT, |v| v.extend([UDP, 0, 0, 0]))
        })
    }

    fn permit(&mut self, peer: &str) -> Back {
        let peer = address(peer);
        self.ask(method::CREATE_PERMISSION, |writer| writer.address(attribute::XOR_PEER_ADDRESS, peer))
    }

    fn bind(&mut self, number: u16, peer: &str) -> Back {
        let peer = address(peer);
        self.ask(method::CHANNEL_BIND, |writer| {
            writer
                .attribute(attribute::CHANNEL_NUMBER, |v| v.extend([number.to_be_bytes(), [0; 2]].concat()));
            writer.address(attribute::XOR_PEER_ADDRESS, peer);
        })
    }

    /// Where bytes to a peer go.
    fn relayed(&mut self, peer: &str) -> Option<SocketAddr> {
        let mut send = Vec::new();
        let mut writer = Writer::new(&mut send, Class::Indication, method::SEND, TransactionId([1; 12]));
        writer.address(attribute::XOR_PEER_ADDRESS, address(peer));
        writer.attribute(attribute::DATA, |value| value.extend_from_slice(b"hello"));
        let relay = self.table.client_sent((self.now, UNIX), self.client, &send, || None, &mut Vec::new())?;
        assert_eq!(relay.bytes, b"hello");
        Some(relay.to)
    }
}

#[test]
fn who_has_no_password_is_told_what_it_takes() {
    let mut bench = Bench::new(false);
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, method::ALLOCATE, TransactionId([1; 12]));
    let (back, reply) = bench.send(&request);
    assert_eq!(back, Back::Error(401));
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.attribute(attribute::REALM).unwrap().value, REALM.as_bytes());
    assert_eq!(reply.attribute(attribute::NONCE).unwrap().value, bench.nonce().as_bytes());
    bench.credential.username = format!("{}:1", UNIX - 1);
    assert_eq!(bench.allocate(), Back::Error(401), "its time is over");
    bench.credential.username = format!("{}:2", UNIX + 3_600);
    let mut changed = bench.signed(method::ALLOCATE, |_| {});
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(bench.send(&changed).0, Back::Error(401), "another key");
    let late = bench.signed(method::ALLOCATE, |_| {});
    bench.now = at(2_000);
    assert_eq!(bench.send(&late).0, Back::Error(438), "an old nonce");
    assert_eq!(bench.table.len(), 0);
}

#[test]
fn an_allocation_is_made_kept_and_given_back() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.ask(method::REFRESH, |_| {}), Back::Error(437));
    let request = bench.signed(method::ALLOCATE, |writer| {
        writer.attribute(attribute::REQUESTED_TRANSPORT, |value| value.extend([UDP, 0, 0, 0]));
    });
    let (back, reply) = bench.send(&request);
    assert_eq!(back, Back::Success);
    let read = Message::parse(&reply).unwrap();
    let relayed = read.address(attribute::XOR_RELAYED_ADDRESS).unwrap();
    assert_eq!(read.address(attribute::XOR_MAPPED_ADDRESS), Some(bench.client));
    assert!(Credentials::new(b"secret").key(0, &bench.credential.username).unwrap().signed(&read));
    let (back, again) = bench.send(&request);
    assert_eq!((back, bench.table.len()), (Back::Success, 1), "the reply may be lost");
    assert_eq!(Message::parse(&again).unwrap().address(attribute::XOR_RELAYED_ADDRESS), Some(relayed));
    assert_eq!(bench.allocate(), Back::Error(437), "there is one");
    bench.now = at(500);
    assert_eq!(bench.ask(method::REFRESH, |_| {}), Back::Success);
    bench.table.expire(at(1_099));
    assert_eq!(bench.table.len(), 1);
    bench.table.expire(at(1_100));
    assert_eq!(bench.table.len(), 0);
    assert_eq!(bench.allocate(), Back::Success);
    assert_eq!(
        bench.ask(method::REFRESH, |w| w.attribute(attribute::LIFETIME, |v| v.extend([0; 4]))),
        Back::Success
    );
    assert_eq!(bench.table.len(), 0);
}

#[test]
fn what_is_not_offered_is_refused() {
    let mut bench = Bench::new(false);
    let with =
        |kind, value: [u8; 4]| move |writer: &mut Writer<'_>| writer.attribute(kind, |v| v.extend(value));
    assert_eq!(bench.ask(method::ALLOCATE, |_| {}), Back::Error(400));
    assert_eq!(
        bench.ask(method::ALLOCATE, with(attribute::REQUESTED_TRANSPORT, [6, 0, 0, 0])),
        Back::Error(442)
    );
    let six = |writer: &mut Writer<'_>| {
        writer.attribute(attribute::REQUESTED_TRANSPORT, |v| v.extend([UDP, 0, 0, 0]));
        writer.attribute(attribute::REQUESTED_ADDRESS_FAMILY, |v| v.extend([2, 0, 0, 0]));
    };
    assert_eq!(bench.ask(method::ALLOCATE, six), Back::Error(440));
    assert_eq!(bench.ask(method::ALLOCATE, with(0x0018, [0; 4])), Back::Error(420), "EVEN-PORT");
    assert_eq!(bench.table.len(), 0);
}

#[test]
fn allocations_are_bounded_by_address_and_in_all() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.allocate(), Back::Success);
    bench.client = address("203.0.113.5:4001");
    assert_eq!(bench.allocate(), Back::Success);
    bench.client = address("203.0.113.5:4002");
    assert_eq!(bench.allocate(), Back::Error(486));
    bench.client = address("203.0.113.6:4000");
    assert_eq!(bench.allocate(), Back::Success);
    bench.client = address("203.0.113.7:4000");
    assert_eq!(bench.allocate(), Back::Error(508));
}

#[test]
fn nobody_is_relayed_into_a_private_network() {
    let mut bench = Bench::new(false);
    bench.allocate();
    for private in [
        "127.0.0.1:80",
        "10.0.0.1:53",
        "192.168.1.1:1900",
        "169.254.169.254:80",
        "172.16.0.1:1",
        "100.64.0.1:1",
        "0.0.0.0:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
    ] {
        assert_eq!(bench.permit(private), Back::Error(403), "{private}");
        assert_eq!(bench.bind(0x4000, private), Back::Error(403), "{private}");
        assert_eq!(bench.relayed(private), None, "{private}");
    }
    assert_eq!(bench.permit("[2606:4700::1]:1"), Back::Error(443));
    let mut bench = Bench::new(true);
    bench.allocate();
    assert_eq!(bench.permit("10.0.0.1:53"), Back::Success);
    assert_eq!(bench.relayed("10.0.0.1:53"), Some(address("10.0.0.1:53")));
}

#[test]
fn of_this_machine_only_what_relays_is_reached() {
    // The address that is relayed from is set aside for documents: not public.
    let mut bench = Bench::new(false);
    bench.allocate();
    bench.client = address("203.0.113.6:4000");
    bench.opened = 7;
    bench.allocate();
    assert_eq!(bench.permit("198.51.100.1:50000"), Back::Success);
    assert_eq!(bench.relayed("198.51.100.1:50000"), Some(address("198.51.100.1:50000")));
    assert_eq!(bench.relayed("198.51.100.1:22"), None);
    let mut bench = Bench::new(true);
    bench.allocate();
    bench.permit("198.51.100.1:50000");
    assert_eq!(bench.relayed("198.51.100.1:22"), None, "with private peers neither");
}

#[test]
fn peers_are_heard_once_they_are_let_in() {
    let mut bench = Bench::new(false);
    bench.allocate();
    let relayed = address("198.51.100.1:50000");
    let (peer, mut out) = (address("1.1.1.1:9"), Vec::new());
    assert_eq!(bench.relayed("1.1.1.1:9"), None, "no permission");
    assert_eq!(bench.table.peer_sent(bench.now, relayed, peer, b"x", &mut out), None);
    assert_eq!(bench.permit("1.1.1.1:1"), Back::Success);
    assert_eq!(bench.relayed("1.1.1.1:9"), Some(peer));
    assert_eq!(bench.table.peer_sent(bench.now, relayed, peer, b"x", &mut out), Some(bench.client));
    let told = Message::parse(&out).unwrap();
    assert_eq!((told.class, told.method), (Class::Indication, method::DATA));
    assert_eq!(told.address(attribute::XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(told.attribute(attribute::DATA).unwrap().value, b"x");
    assert_eq!(bench.bind(0x4005, "1.1.1.1:9"), Back::Success);
    bench.table.peer_sent(bench.now, relayed, peer, b"x", &mut out);
    assert_eq!(channel_data(&out), Some((0x4005, &b"x"[..])));
    let mut over = Vec::new();
    put_channel_data(0x4005, b"back", &mut over);
    let relay =
        bench.table.client_sent((bench.now, UNIX), bench.client, &over, || None, &mut Vec::new()).unwrap();
    assert_eq!((relay.to, relay.bytes), (peer, &b"back"[..]));
    assert_eq!(bench.bind(0x5000, "1.1.1.1:9"), Back::Error(400), "no number of a channel");
}

#[test]
fn what_passes_and_what_does_not_is_counted() {
    let mut bench = Bench::new(false);
    bench.allocate();
    let relayed = address("198.51.100.1:50000");
    let (peer, mut out) = (address("1.1.1.1:9"), Vec::new());
    bench.table.peer_sent(bench.now, relayed, peer, b"x", &mut out);
    bench.relayed("1.1.1.1:9");
    assert_eq!((bench.table.counts.allocated, bench.table.counts.not_permitted), (1, 2));
    assert_eq!(bench.permit("1.1.1.1:1"), Back::Success);
    // A million bytes a second, and as many at once.
    for _ in 0..1_002 {
        bench.table.peer_sent(bench.now, relayed, peer, &[0; 1_000], &mut out);
    }
    let counts = bench.table.counts;
    assert_eq!((counts.to_clients, counts.to_peers, counts.beyond_rate), (1_000_000, 0, 2));
    bench.permit("10.0.0.1:1");
    let refused: Vec<_> = bench.table.counts.refusals().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [("peer_address", 1)], "who asks what it takes is not refused");
}

#[test]
fn an_allocation_is_its_users() {
    let mut bench = Bench::new(false);
    bench.allocate();
    bench.credential = Credentials::new(b"secret").issue(UNIX + 3_600, 2);
    assert_eq!(bench.permit("1.1.1.1:1"), Back::Error(441));
    assert_eq!(bench.table.len(), 1);
}

proptest! {
    #[test]
    fn any_datagram_is_taken(bytes: Vec<u8>, method in 0_u16..12, class in 0_usize..4, kinds in prop::collection::vec((0_u16..0x30, any::<[u8; 8]>()), 0..6)) {
        let mut bench = Bench::new(true);
        bench.allocate();
        let mut out = Vec::new();
        let _ = bench.table.client_sent((bench.now, UNIX), bench.client, &bytes, || None, &mut out);
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error][class];
        let mut message = Vec::new();
        let mut writer = Writer::new(&mut message, class, method, TransactionId([1; 12]));
        for (kind, value) in &kinds {
            writer.attribute(*kind, |out| out.extend_from_slice(value));
        }
        let _ = bench.table.client_sent((bench.now, UNIX), bench.client, &message, || None, &mut out);
        prop_assert!(out.len() <= message.len() + 64);
        let mut signed = bench.signed(method, |writer| {
            for (kind, value) in &kinds {
                writer.attribute(*kind, |out| out.extend_from_slice(value));
            }
        });
        let _ = bench.table.client_sent((bench.now, UNIX), bench.client, &signed, || None, &mut out);
        signed.truncate(signed.len() / 2);
        let _ = bench.table.client_sent((bench.now, UNIX), bench.client, &signed, || None, &mut out);
    }
}
