//! What the kernel counts in one network namespace, read through `/proc/PID/net` of a process that lives there.

use std::io;
use std::ops::Sub;
use std::path::PathBuf;

/// Counters of one namespace, all growing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of frames that the interface sent, Ethernet headers included.
    pub sent_bytes: u64,
    /// Frames that it sent.
    pub sent_frames: u64,
    /// Bytes of frames that it received.
    pub received_bytes: u64,
    /// Frames that it received.
    pub received_frames: u64,
    /// TCP segments sent from here, those sent again among them.
    pub tcp_sent: u64,
    /// Of them, segments sent again.
    pub tcp_again: u64,
    /// Connections opened from here and accepted here: each SYN and SYN-ACK carries 8 bytes more of options.
    pub tcp_opened: u64,
    /// UDP datagrams sent from here.
    pub udp_sent: u64,
    /// What went down the stack from IP, where a packet may still be many: such packets.
    pub ip_sent: u64,
    /// Their bytes, with one set of headers each.
    pub ip_bytes: u64,
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes.saturating_sub(before.sent_bytes),
            sent_frames: self.sent_frames.saturating_sub(before.sent_frames),
            received_bytes: self.received_bytes.saturating_sub(before.received_bytes),
            received_frames: self.received_frames.saturating_sub(before.received_frames),
            tcp_sent: self.tcp_sent.saturating_sub(before.tcp_sent),
            tcp_again: self.tcp_again.saturating_sub(before.tcp_again),
            tcp_opened: self.tcp_opened.saturating_sub(before.tcp_opened),
            udp_sent: self.udp_sent.saturating_sub(before.udp_sent),
            ip_sent: self.ip_sent.saturating_sub(before.ip_sent),
            ip_bytes: self.ip_bytes.saturating_sub(before.ip_bytes),
        }
    }
}

impl Counters {
    /// Reads those of the namespace that process `pid` is in, for one interface.
    ///
    /// # Errors
    ///
    /// The files cannot be read, or lack a field.
    pub fn read(pid: u32, interface: &str) -> io::Result<Self> {
        let directory = PathBuf::from(format!("/proc/{pid}/net"));
        let devices = std::fs::read_to_string(directory.join("dev"))?;
        // Each protocol's own figures, and those that came later.
        let protocols = std::fs::read_to_string(directory.join("snmp"))?
            + &std::fs::read_to_string(directory.join("netstat"))?;
        Self::parse(&devices, &protocols, interface).ok_or_else(|| {
            let message = format!("expected counters of {interface}, Tcp and Udp in {}", directory.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    fn parse(devices: &str, protocols: &str, interface: &str) -> Option<Self> {
        let line =
            devices.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
        let figures: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [received_bytes, received_frames] = [*figures.first()?, *figures.get(1)?];
        let [sent_bytes, sent_frames] = [*figures.get(8)?, *figures.get(9)?];
        let count = |protocol, field| figure(protocols, protocol, field);
        Some(Self {
            sent_bytes,
            sent_frames,
            received_bytes,
            received_frames,
            tcp_sent: count("Tcp", "OutSegs")?,
            tcp_again: count("Tcp", "RetransSegs")?,
            tcp_opened: count("Tcp", "ActiveOpens")? + count("Tcp", "PassiveOpens")?,
            udp_sent: count("Udp", "OutDatagrams")?,
            ip_sent: count("Ip", "OutRequests")?,
            ip_bytes: count("IpExt", "OutOctets")?,
        })
    }
}

/// A figure of `/proc/net/snmp` or `netstat`: a line of names and a line of figures for each protocol.
fn figure(text: &str, protocol: &str, field: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let names = lines.next()?.split_whitespace();
    let figures = lines.next()?.split_whitespace();
    names.zip(figures).find(|(name, _)| *name == field)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &str = "Inter-|   Receive                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:       7       7    0    0    0     0          0         0        7       7    0
  link:    1500      10    0    0    0     0          0         0     2000      20    0
";
    const PROTOCOLS: &str = "Ip: Forwarding OutRequests
Ip: 2 30
Tcp: MaxConn ActiveOpens PassiveOpens InSegs OutSegs RetransSegs
Tcp: -1 1 2 40 50 3
Udp: InDatagrams NoPorts InErrors OutDatagrams
Udp: 0 0 0 4
UdpLite: InDatagrams NoPorts InErrors OutDatagrams
UdpLite: 9 9 9 9
TcpExt: X
TcpExt: 1
IpExt: InOctets OutOctets
IpExt: 0 3000
";

    #[test]
    fn the_kernels_text_is_read() {
        let expected = Counters {
            sent_bytes: 2000,
            sent_frames: 20,
            received_bytes: 1500,
            received_frames: 10,
            tcp_sent: 50,
            tcp_again: 3,
            tcp_opened: 3,
            udp_sent: 4,
            ip_sent: 30,
            ip_bytes: 3_000,
        };
        assert_eq!(Counters::parse(DEVICES, PROTOCOLS, "link"), Some(expected));
        assert_eq!(Counters::parse(DEVICES, PROTOCOLS, "lin"), None);
        assert_eq!(Counters::parse(DEVICES, "Ip: OutRequests\n", "link"), None);
        let text: Vec<_> = DEVICES.char_indices().map(|(at, _)| &DEVICES[..at]).collect();
        assert!(
            text.iter()
                .all(|cut| Counters::parse(cut, PROTOCOLS, "link").is_none_or(|read| read.sent_frames <= 20))
        );
    }

    #[test]
    fn this_process_is_in_some_namespace() {
        Counters::read(std::process::id(), "lo").unwrap();
        assert!(Counters::read(std::process::id(), "no-such").is_err());
    }
}
