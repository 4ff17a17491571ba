use proptest::prelude::*;

use super::*;

type Swarm = (InfoHash, u32, Vec<Kept>);

fn written(saved_at: u64, swarms: &[Swarm]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), saved_at).unwrap();
    for (info_hash, completed, members) in swarms {
        writer.swarm(info_hash, *completed, members).unwrap();
    }
    writer.finish().unwrap().0
}

/// What is given, parts of one swarm put together, and how it ends.
fn given(bytes: &[u8], now: u64, most: usize) -> (Vec<Swarm>, Result<usize, SnapshotError>) {
    let mut swarms: Vec<Swarm> = Vec::new();
    let ended = read(bytes, now, most, |info_hash, completed, members| match swarms.last_mut() {
        Some(last) if last.0 == *info_hash => last.2.extend_from_slice(members),
        _ => swarms.push((*info_hash, completed, members.to_vec())),
    });
    (swarms, ended)
}

const ROLES: [Role; 3] = [Role::Seed, Role::Leech, Role::PartialSeed];

fn member(number: u32, left: u32) -> Kept {
    let address = SocketAddr::from((Ipv4Addr::from(number), 6_881));
    Kept { address, peer_id: PeerId([number as u8; 20]), role: ROLES[number as usize % 3], left }
}

fn sample() -> Vec<Swarm> {
    (0..5_u8).map(|n| (InfoHash([n; 20]), u32::from(n), (0..900).map(|m| member(m, 600)).collect())).collect()
}

#[test]
fn who_is_overdue_by_now_is_left_out() {
    let members = vec![member(1, 10), member(2, 100)];
    let bytes = written(1_000, &[(InfoHash([1; 20]), 3, members)]);
    let (swarms, ended) = given(&bytes, 1_010, 99);
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(swarms, [(InfoHash([1; 20]), 3, vec![member(2, 90)])]);
    assert_eq!(given(&bytes, u64::MAX, 99).1.unwrap(), 0);
    // A clock that was set back.
    assert_eq!(given(&bytes, 5, 99).0[0].2, [member(1, 10), member(2, 100)]);
}

#[test]
fn no_more_are_given_than_there_is_room_for() {
    let (swarms, ended) = given(&written(0, &sample()), 0, 1_000);
    assert_eq!(ended.unwrap(), 1_000);
    assert_eq!(swarms.iter().map(|swarm| swarm.2.len()).collect::<Vec<_>>(), [900, 100, 0, 0, 0]);
}

#[test]
fn a_swarm_longer_than_a_block_is_whole() {
    let members: Vec<_> = (0..70_000).map(|number| member(number, 9)).collect();
    let swarm = (InfoHash([1; 20]), 0, members);
    let (swarms, ended) = given(&written(0, std::slice::from_ref(&swarm)), 0, usize::MAX);
    assert_eq!((ended.unwrap(), swarms), (70_000, vec![swarm]));
}

#[test]
fn what_is_damaged_anywhere_is_found_and_gives_nothing_wrong() {
    let swarms = sample();
    let bytes = written(0, &swarms);
    for at in (0..bytes.len()).step_by(37).chain(0..HEAD + 8).chain(bytes.len() - 20..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let (given, ended) = given(&damaged, 0, usize::MAX);
        assert!(ended.is_err(), "byte {at}");
        assert!(swarms.starts_with(&given), "byte {at}");
    }
    for length in (0..bytes.len()).step_by(101).chain(bytes.len() - 20..bytes.len()) {
        assert!(given(&bytes[..length], 0, usize::MAX).1.is_err(), "{length} bytes");
    }
}

#[test]
fn a_snapshot_of_the_release_before_is_read() {
    let members = vec![Kept { role: Role::Seed, ..member(1, 9) }, Kept { role: Role::Leech, ..member(2, 9) }];
    let swarm = (InfoHash([1; 20]), 3, members);
    let mut bytes = written(0, std::slice::from_ref(&swarm));
    // Nothing else than the version differs.
    bytes[9] = 1;
    let sum = checksum(&bytes[..HEAD]);
    bytes[HEAD..HEAD + CHECKSUM].copy_from_slice(&sum);
    let (swarms, ended) = given(&bytes, 0, 9);
    assert_eq!((ended.unwrap(), swarms), (2, vec![swarm]));
}

#[test]
fn other_files_are_named_as_such() {
    let error = |bytes: &[u8]| given(bytes, 0, 9).1.unwrap_err().to_string();
    assert!(error(b"-----BEGIN CERTIFICATE-----").contains("no snapshot"));
    let mut later = written(0, &[]);
    later[9] = 7;
    assert!(error(&later).contains("expected version 1 or 2, got 7"));
    // Nothing is reserved for what a damaged length promises.
    let mut long = written(0, &[]);
    long[HEAD + 8] = 0xFF;
    assert!(error(&long).contains("shorter block"));
}

fn kept() -> impl Strategy<Value = Kept> {
    (any::<SocketAddr>(), any::<[u8; 20]>(), 0..ROLES.len(), 1_u32..).prop_map(|(address, id, role, left)| {
        // Neither scope nor flow travels, and an address has one form.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Kept { address, peer_id: PeerId(id), role: ROLES[role], left }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        swarms in prop::collection::vec((any::<u32>(), prop::collection::vec(kept(), 1..60)), 0..40),
        saved_at: u64,
    ) {
        let named = swarms.into_iter().enumerate();
        let swarms: Vec<Swarm> =
            named.map(|(number, (completed, members))| (InfoHash([number as u8; 20]), completed, members)).collect();
        let (given, ended) = given(&written(saved_at, &swarms), saved_at, usize::MAX);
        prop_assert_eq!(ended.unwrap(), swarms.iter().map(|swarm| swarm.2.len()).sum::<usize>());
        prop_assert_eq!(given, swarms);
    }

    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        let _ = given(&bytes, 0, 9);
    }
}
