//! The textbook's bounds on the time until everybody has a file.
//!
//! Rates are of content: the shaped rate of a link, less what headers take of it.

/// What a distribution has to work with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distribution {
    /// Size of the file, bytes.
    pub size: f64,
    /// Receivers, at least 1.
    pub receivers: u32,
    /// Rate of the server's uplink, bytes a second.
    pub server_uplink: f64,
    /// Rate of each receiver's uplink, bytes a second.
    pub receiver_uplink: f64,
    /// Rate of the slowest receiver's downlink, bytes a second.
    pub slowest_downlink: f64,
}

impl Distribution {
    /// `D_cs = max(N·F/u_s, F/d_min)`, seconds: the server sends a copy to each.
    pub fn client_server(&self) -> f64 {
        let copies = f64::from(self.receivers) * self.size;
        (copies / self.server_uplink).max(self.size / self.slowest_downlink)
    }

    /// `D_p2p = max(F/u_s, F/d_min, N·F/(u_s + Σu_i))`, seconds: receivers send too.
    pub fn p2p(&self) -> f64 {
        let n = f64::from(self.receivers);
        let uplinks = n.mul_add(self.receiver_uplink, self.server_uplink);
        (self.size / self.server_uplink).max(self.size / self.slowest_downlink).max(n * self.size / uplinks)
    }

    /// The same with all rates scaled, for the share of a link that content gets.
    #[must_use]
    pub fn scaled(self, share: f64) -> Self {
        Self {
            server_uplink: self.server_uplink * share,
            receiver_uplink: self.receiver_uplink * share,
            slowest_downlink: self.slowest_downlink * share,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EQUAL: Distribution = Distribution {
        size: 100.0,
        receivers: 16,
        server_uplink: 10.0,
        receiver_uplink: 10.0,
        slowest_downlink: 40.0,
    };

    #[test]
    fn bounds_are_those_of_the_textbook() {
        assert_eq!(EQUAL.client_server(), 160.0);
        assert_eq!(EQUAL.p2p(), 10.0, "the server has to send every byte once");
        let fast_server = Distribution { server_uplink: 100.0, ..EQUAL };
        assert_eq!(fast_server.client_server(), 16.0);
        assert!((fast_server.p2p() - 1600.0 / 260.0).abs() < 1e-9);
        let slow_receiver = Distribution { slowest_downlink: 0.5, ..EQUAL };
        assert_eq!((slow_receiver.client_server(), slow_receiver.p2p()), (200.0, 200.0));
    }

    #[test]
    fn one_receiver_gains_nothing() {
        let one = Distribution { receivers: 1, ..EQUAL };
        assert_eq!(one.p2p(), one.client_server());
    }

    #[test]
    fn headers_take_their_share() {
        assert!((EQUAL.scaled(0.5).p2p() - 20.0).abs() < 1e-9);
    }
}
