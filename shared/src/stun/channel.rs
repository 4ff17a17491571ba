use core::ops::RangeInclusive;

/// Numbers that a channel may have (RFC 8656, 12); no message of STUN begins like one.
pub const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

/// Number and bytes of a datagram that is sent over a channel (RFC 8656, 12.4).
pub fn channel_data(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let (&[a, b, c, d], rest) = datagram.split_first_chunk()?;
    let (number, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
    Some((number, rest.get(..length)?)).filter(|_| CHANNELS.contains(&number))
}

/// Appends such a datagram, of less than 64 KiB.
pub fn put_channel_data(number: u16, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}
