//! What a comparison found, and its export: JSON in the shape of `peer compare --json`, and CSV. Bytes and seconds throughout.

use serde::{Deserialize, Serialize};

use super::wire::Wire;

/// One way for the same bytes to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// HTTP/1.1 in clear.
    Http1,
    /// HTTP/1.1 over TLS, on the port that offers nothing else.
    Http1Tls,
    /// HTTP/2 over TLS, by ALPN: browsers speak it no other way.
    Http2,
    /// BitTorrent over WebRTC data channels: always DTLS.
    P2p,
    /// The same, with the server as a web seed beside the swarm.
    Hybrid,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::P2p, Self::Hybrid];

    /// As in the export.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http1Tls => "http1-tls",
            Self::Http2 => "http2",
            Self::P2p => "bt-webrtc",
            Self::Hybrid => "hybrid",
        }
    }

    /// Whether the server alone sends.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http1 | Self::Http1Tls | Self::Http2)
    }
}

/// Everything that a comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Where and how.
    pub environment: Environment,
    /// One transfer to one receiver each; without warm-ups.
    pub runs: Vec<Run>,
    /// One transfer to several receivers each.
    pub receivers: Vec<Receivers>,
}

/// Where and how it was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Version of the page.
    pub version: String,
    /// Seconds since 1970 when it began.
    pub started: u64,
    /// The browser, as it calls itself.
    pub system: String,
    /// Cores that it tells of.
    pub cores: u32,
    /// Origin of the server.
    pub server: String,
    /// Name of the file.
    pub file: String,
    /// All lanes at once, rather than one after the other.
    pub together: bool,
    /// What was the same for every lane, one sentence each.
    pub held_equal: Vec<String>,
    /// What was modelled rather than measured.
    pub modelled: Vec<String>,
    /// What to keep in mind.
    pub caveats: Vec<String>,
}

/// What came of one transfer to one receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What went wrong, in words; then nothing else is meant.
    pub error: Option<String>,
    /// From the request, or from where the peer was connected, to the last byte: verified, for P2P.
    pub seconds: f64,
    /// To the first byte.
    pub ttfb_seconds: Option<f64>,
    /// What P2P took before that: meeting peers and fetching the list of pieces.
    pub setup_seconds: Option<f64>,
    /// What the server put on the wire.
    pub server_egress: Option<u64>,
    /// Bytes on the wire.
    pub wire: Option<Wire>,
    /// What was spoken, like `h2`.
    pub protocol: Option<String>,
}

/// One transfer to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which way.
    pub lane: Lane,
    /// Bytes of the file.
    pub size: u64,
    /// From 1.
    pub run: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// One transfer to several receivers at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Receivers {
    /// Which way.
    pub lane: Lane,
    /// How many.
    pub n: u32,
    /// Until the last had everything; `None` if one of them failed.
    pub seconds_last: Option<f64>,
    /// Until half of them had.
    pub seconds_median: Option<f64>,
    /// What the server put on the wire, for all of them.
    pub server_egress: Option<u64>,
}

impl Report {
    /// The runs of a lane that went well.
    pub fn good(&self, lane: Lane) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.lane == lane && run.outcome.error.is_none())
    }

    /// The shape of `peer compare --json`. What a page cannot know is null: processor time, the textbook bound. Its own are
    /// `setup_seconds` and `protocol` of a run.
    pub fn to_json(&self) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.key("environment").object(|json| self.environment.write(json));
            json.key("runs").array(&self.runs, |json, run| json.object(|json| run.write(json)));
            json.key("receivers")
                .array(&self.receivers, |json, receivers| json.object(|json| receivers.write(json)));
        });
        json.0
    }

    /// One line a run, with a header.
    pub fn to_csv(&self) -> String {
        let mut csv =
            "lane,size,run,ok,seconds,ttfb_seconds,setup_seconds,goodput,server_egress,payload,application,\
                       security,transport,network,link_layer,retransmits,sum,sent,received,measured\n"
                .to_owned();
        for Run { lane, size, run, outcome } in &self.runs {
            let ok = outcome.error.is_none();
            let figure = |value: Option<f64>| value.filter(|_| ok).map(number).unwrap_or_default();
            let mut fields = vec![
                lane.name().to_owned(),
                size.to_string(),
                run.to_string(),
                ok.to_string(),
                figure(Some(outcome.seconds)),
                figure(outcome.ttfb_seconds),
                figure(outcome.setup_seconds),
                figure(goodput(*size, outcome)),
                outcome.server_egress.map(|bytes| bytes.to_string()).unwrap_or_default(),
            ];
            match &outcome.wire {
                Some(wire) => {
                    fields.extend(wire.parts().map(|part| part.to_string()));
                    let rest = [wire.retransmits, wire.sum(), wire.sent, wire.received];
                    fields.extend(rest.map(|part| part.to_string()));
                    fields.push(wire.measured.to_string());
                }
                None => fields.extend(std::iter::repeat_n(String::new(), 11)),
            }
            csv.push_str(&fields.join(","));
            csv.push('\n');
        }
        csv
    }
}

/// Bytes of content a second.
pub fn goodput(size: u64, outcome: &Outcome) -> Option<f64> {
    (outcome.error.is_none() && outcome.seconds > 0.0).then(|| size as f64 / outcome.seconds)
}

impl Environment {
    fn write(&self, json: &mut Json) {
        json.key("version").string(&self.version);
        json.key("started").raw(&self.started.to_string());
        json.key("system").string(&self.system);
        json.key("cores").raw(&self.cores.to_string());
        json.key("server").string(&self.server);
        json.key("file").string(&self.file);
        json.key("together").raw(&self.together.to_string());
        for (key, list) in
            [("held_equal", &self.held_equal), ("modelled", &self.modelled), ("caveats", &self.caveats)]
        {
            json.key(key).array(list, |json, sentence| json.string(sentence));
        }
    }
}

impl Run {
    fn write(&self, json: &mut Json) {
        let Self { lane, size, run, outcome } = self;
        let ok = outcome.error.is_none();
        json.key("lane").string(lane.name());
        json.key("size").raw(&size.to_string());
        json.key("run").raw(&run.to_string());
        json.key("ok").raw(&ok.to_string());
        if let Some(error) = &outcome.error {
            json.key("error").string(error);
        }
        json.key("seconds").figure(ok.then_some(outcome.seconds));
        json.key("ttfb_seconds").figure(outcome.ttfb_seconds);
        json.key("setup_seconds").figure(outcome.setup_seconds);
        json.key("goodput").figure(goodput(*size, outcome));
        json.key("server_egress").figure(outcome.server_egress.map(|bytes| bytes as f64));
        json.key("cpu_seconds").raw("null");
        match &outcome.protocol {
            Some(protocol) => json.key("protocol").string(protocol),
            None => json.key("protocol").raw("null"),
        }
        match &outcome.wire {
            Some(wire) => json.key("wire").object(|json| wire.write(json)),
            None => json.key("wire").raw("null"),
        }
    }
}

impl Wire {
    fn write(&self, json: &mut Json) {
        let [payload, application, security, transport, network, link_layer] = self.parts();
        for (key, bytes) in [
            ("payload", payload),
            ("application", application),
            ("security", security),
            ("transport", transport),
            ("network", network),
            ("link_layer", link_layer),
            ("retransmits", self.retransmits),
            ("sum", self.sum()),
            // A page has no link to count on.
            ("link", self.sum()),
            ("sent", self.sent),
            ("received", self.received),
        ] {
            json.key(key).raw(&bytes.to_string());
        }
        json.key("measured").raw(&self.measured.to_string());
    }
}

impl Receivers {
    fn write(&self, json: &mut Json) {
        json.key("mode").string(if self.lane.is_http() { "client-server" } else { "p2p" });
        json.key("lane").string(self.lane.name());
        json.key("n").raw(&self.n.to_string());
        json.key("seconds_last").figure(self.seconds_last);
        json.key("seconds_median").figure(self.seconds_median);
        json.key("server_egress").figure(self.server_egress.map(|bytes| bytes as f64));
        json.key("bound_seconds").raw("null");
    }
}

/// JSON as it grows. A fraction of what a general serialiser would add to the page.
#[derive(Default)]
struct Json(String);

impl Json {
    fn key(&mut self, key: &str) -> &mut Self {
        self.comma();
        self.string(key);
        self.0.push(':');
        self
    }

    /// Between two values of an object or array.
    fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[', ':', ',']) {
            self.0.push(',');
        }
    }

    fn raw(&mut self, value: &str) {
        self.0.push_str(value);
    }

    fn figure(&mut self, value: Option<f64>) {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.raw(&number(value)),
            None => self.raw("null"),
        }
    }

    fn string(&mut self, value: &str) {
        self.0.push('"');
        for char in value.chars() {
            match char {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                char if char < ' ' => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.0.push_str("\\u00");
                    self.0.push(char::from(HEX[char as usize / 16]));
                    self.0.push(char::from(HEX[char as usize % 16]));
                }
                char => self.0.push(char),
            }
        }
        self.0.push('"');
    }

    fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.push('{');
        fill(self);
        self.0.push('}');
    }

    fn array<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.0.push('[');
        for item in items {
            self.comma();
            each(self, item);
        }
        self.0.push(']');
    }
}

/// A number with microseconds or whole bytes, whichever it is; no exponent.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return (value as i64).to_string();
    }
    let micros = (value * 1e6).round();
    let (whole, rest) = ((micros / 1e6).trunc() as i64, (micros as i64 % 1_000_000).unsigned_abs());
    let rest = (1_000_000 + rest).to_string();
    [&whole.to_string(), ".", &rest[1..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let wire = Wire {
            payload: 1_000,
            application: 50,
            security: 20,
            transport: 64,
            network: 40,
            link_layer: 28,
            retransmits: 0,
            sent: 100,
            received: 1_102,
            measured: true,
        };
        let outcome = Outcome {
            seconds: 0.25,
            ttfb_seconds: Some(0.001_5),
            server_egress: Some(1_102),
            wire: Some(wire),
            protocol: Some("h2".to_owned()),
            ..Outcome::default()
        };
        let failed = Outcome { error: Some("it \"broke\"\n".to_owned()), ..Outcome::default() };
        let run = |lane, outcome| Run { lane, size: 1_000, run: 1, outcome };
        Report {
            environment: Environment { caveats: vec!["a, b".to_owned()], ..Environment::default() },
            runs: vec![run(Lane::Http2, outcome), run(Lane::P2p, failed)],
            receivers: vec![Receivers {
                lane: Lane::P2p,
                n: 4,
                seconds_last: Some(2.0),
                seconds_median: Some(1.5),
                server_egress: None,
            }],
        }
    }

    #[test]
    fn the_json_has_the_shape_of_the_command_line_tool() {
        let json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        let run = &json["runs"][0];
        assert_eq!(
            (&run["lane"], &run["ok"], &run["seconds"]),
            (&"http2".into(), &true.into(), &0.25.into())
        );
        assert_eq!((&run["ttfb_seconds"], &run["goodput"]), (&0.0015.into(), &4_000.into()));
        assert!(run["cpu_seconds"].is_null());
        let wire = run["wire"].as_object().unwrap();
        let keys: std::collections::BTreeSet<_> = wire.keys().map(String::as_str).collect();
        let expected = [
            "payload",
            "application",
            "security",
            "transport",
            "network",
            "link_layer",
            "retransmits",
            "sum",
            "link",
            "sent",
            "received",
            "measured",
        ];
        assert_eq!(keys, expected.into());
        assert_eq!((&wire["sum"], &wire["measured"]), (&1_202.into(), &true.into()));
        let failed = &json["runs"][1];
        assert_eq!((&failed["ok"], &failed["error"]), (&false.into(), &"it \"broke\"\n".into()));
        assert!(failed["seconds"].is_null() && failed["wire"].is_null());
        let many = &json["receivers"][0];
        assert_eq!((&many["mode"], &many["n"], &many["seconds_last"]), (&"p2p".into(), &4.into(), &2.into()));
        assert_eq!(json["environment"]["caveats"][0], "a, b");
    }

    #[test]
    fn the_csv_has_as_many_fields_in_each_line() {
        let csv = report().to_csv();
        let fields: Vec<_> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(fields, [20, 20, 20]);
        assert!(csv.contains("http2,1000,1,true,0.250000,0.001500,,4000,1102,1000,50,"), "{csv}");
    }

    #[test]
    fn numbers_have_no_exponent() {
        for (value, text) in [(0.0, "0"), (12.0, "12"), (0.000_001_5, "0.000002"), (1234.5, "1234.500000")] {
            assert_eq!(number(value), text);
        }
    }
}
