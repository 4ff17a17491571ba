//! The load testers: what they are told, and what they tell.

/// What a load is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Announces over WebSocket and TLS, without offers.
    Announces,
    /// The same with ten offers each.
    Offers,
    /// The same with peers that read everything, and answer some of it.
    Exchange,
    /// Announces over HTTP, connections kept.
    Http,
    /// Announces and connects over UDP.
    Udp,
}

impl Load {
    pub(super) const ALL: [Self; 5] = [Self::Announces, Self::Offers, Self::Exchange, Self::Http, Self::Udp];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Announces => "WebSocket over TLS, announces only",
            Self::Offers => "WebSocket over TLS, 10 offers per announce",
            Self::Exchange => "WebSocket over TLS, 10 offers per announce, all read",
            Self::Http => "HTTP, keep-alive",
            Self::Udp => "UDP",
        }
    }

    /// How it is called on the command line and in files.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Announces => "ws",
            Self::Offers => "ws-offers",
            Self::Exchange => "ws-exchange",
            Self::Http => "http",
            Self::Udp => "udp",
        }
    }

    /// The anchor's server for it.
    pub(super) const fn anchor(self) -> &'static str {
        match self {
            Self::Announces | Self::Offers | Self::Exchange => "aquatic_ws",
            Self::Http => "aquatic_http",
            Self::Udp => "aquatic_udp",
        }
    }

    /// The anchor's tester for it; `None` where it is ours.
    pub(super) const fn tester(self) -> Option<&'static str> {
        match self {
            Self::Announces | Self::Offers => Some("aquatic_ws_load_test"),
            Self::Exchange => None,
            Self::Http => Some("aquatic_http_load_test"),
            Self::Udp => Some("aquatic_udp_load_test"),
        }
    }

    /// Whether it is over TLS.
    pub(super) const fn is_tls(self) -> bool {
        matches!(self, Self::Announces | Self::Offers | Self::Exchange)
    }

    /// The tester's configuration: one worker, a hundred connections, ten thousand torrents.
    pub(super) fn configuration(self, port: u16, seconds: u32) -> String {
        let connections = "connection_creation_interval_ms = 5";
        let of_ws = |offers: u32| {
            format!(
                "server_address = \"127.0.0.1:{port}\"\nnum_workers = 1\nnum_connections_per_worker = 100\n{connections}\n\
                 duration = {seconds}\nmeasure_after_max_connections_reached = true\n[torrents]\noffers_per_request = {offers}\n\
                 number_of_torrents = 10000\npeer_seeder_probability = 0.25\nweight_announce = 5\nweight_scrape = 0\n"
            )
        };
        match self {
            Self::Announces => of_ws(0),
            Self::Offers | Self::Exchange => of_ws(10),
            Self::Http => format!(
                "server_address = \"127.0.0.1:{port}\"\nnum_workers = 1\nnum_connections = 100\n{connections}\n\
                 duration = {seconds}\nkeep_alive = true\nenable_tls = false\n[torrents]\nnumber_of_torrents = 10000\n\
                 weight_announce = 5\nweight_scrape = 0\n"
            ),
            Self::Udp => format!(
                "server_address = \"127.0.0.1:{port}\"\nworkers = 1\nduration = {seconds}\nsummarize_last = {}\n[network]\n\
                 sockets_per_worker = 4\n[requests]\nnumber_of_torrents = 10000\nnumber_of_peers = 100000\n",
                seconds.saturating_sub(2).max(1)
            ),
        }
    }

    /// The anchor's configuration: one worker of each kind.
    pub(super) fn anchor_configuration(self, port: u16, (chain, key): (&str, &str)) -> String {
        match self {
            Self::Announces | Self::Offers | Self::Exchange => format!(
                "socket_workers = 1\nswarm_workers = 1\n[network]\naddress = \"127.0.0.1:{port}\"\nenable_tls = true\n\
                 tls_certificate_path = \"{chain}\"\ntls_private_key_path = \"{key}\"\n"
            ),
            Self::Http => format!(
                "socket_workers = 1\nswarm_workers = 1\n[network]\naddress = \"127.0.0.1:{port}\"\nenable_tls = false\nkeep_alive = true\n"
            ),
            Self::Udp => format!("socket_workers = 1\n[network]\naddress = \"127.0.0.1:{port}\"\n"),
        }
    }
}

/// What a tester says of its last seconds, per second.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub(super) struct Told {
    /// All responses, on the average of the run.
    pub(super) responses: f64,
    pub(super) announces: f64,
    pub(super) offers: f64,
    pub(super) answers: f64,
    pub(super) connects: f64,
    pub(super) errors: f64,
    /// Peers in a response to an announce, where it says so.
    pub(super) peers: Option<f64>,
    /// Offers that were made, where it says so.
    pub(super) made: Option<f64>,
}

impl Told {
    /// Reads what a tester printed; `None` if it did not come to an end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let number = |label: &str| -> Option<f64> {
            let line =
                |line: &'_ str| line.trim().trim_start_matches("- ").strip_prefix(label).map(str::to_owned);
            let mut lines = text.lines().rev().filter_map(line);
            // The last of several windows is cut off by the end.
            let last = lines.next()?;
            let line = lines.next().unwrap_or(last);
            line.trim().trim_end_matches("/second").parse().ok()
        };
        Some(Self {
            responses: number("Average responses per second:")?,
            announces: number("Announce responses:").unwrap_or_default(),
            offers: number("Offer responses:").unwrap_or_default(),
            answers: number("Answer responses:").unwrap_or_default(),
            connects: number("Connect responses:").unwrap_or_default(),
            errors: number("Error responses:").unwrap_or_default(),
            peers: number("Peers per announce response:"),
            made: number("Offers made:"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tester_tells_is_read() {
        let text = "Requests out: 1.00/second\nResponses in: 2.00/second\n  - Announce responses: 10.00\n  - Offer responses:    3.50\n\
                    Peers per announce response: 27.90\n\nRequests out: 9/second\n  - Announce responses: 20.25\n\
                    # aquatic load test report\n\nAverage responses per second: 23.75\n\nConfig: Config { }\n";
        let told = Told::read(text).unwrap();
        assert_eq!((told.responses, told.announces, told.offers, told.peers), (23.75, 10.0, 3.5, Some(27.9)));
        let ours = "  - Offer responses: 95.00\nOffers made: 100.00\nAverage responses per second: 120.00\n";
        let told = Told::read(ours).unwrap();
        assert_eq!((told.responses, told.offers, told.made), (120.0, 95.0, Some(100.0)));
        assert_eq!(Told::read("Max connections reached\n"), None);
    }
}
