use super::super::model::{CpuSeconds, Environment, Mode, Receivers, Wire};
use super::*;

/// A run of which everything is known. `seconds` sets it apart.
fn run(lane: Lane, size: u64, number: u32, seconds: f64) -> Run {
    let security = if lane.is_encrypted() { size / 500 } else { 0 };
    let parts = Wire {
        payload: size,
        application: 300,
        security,
        transport: size / 50,
        network: size / 70,
        link_layer: size / 100,
        retransmits: 0,
        sum: 0,
        link: 0,
        sent: size / 40,
        received: size,
        measured: true,
    };
    let sum = parts.parts().iter().map(|(_, bytes)| bytes).sum();
    Run {
        lane,
        size,
        run: number,
        ok: true,
        error: None,
        seconds: Some(seconds),
        ttfb_seconds: Some(seconds / 10.0),
        goodput: Some(size as f64 / seconds),
        server_egress: Some(sum),
        cpu_seconds: Some(CpuSeconds { server: seconds / 2.0, client: seconds / 4.0 }),
        wire: Some(Wire { sum, link: sum + 40, ..parts }),
    }
}

fn failed(lane: Lane, size: u64, number: u32, error: &str) -> Run {
    Run {
        ok: false,
        error: Some(error.to_owned()),
        seconds: None,
        ttfb_seconds: None,
        goodput: None,
        server_egress: None,
        cpu_seconds: None,
        wire: None,
        ..run(lane, size, number, 1.0)
    }
}

fn many(mode: Mode, lane: Lane, n: u32, seconds: f64, copies: u64) -> Receivers {
    Receivers {
        mode,
        lane,
        n,
        size: 25_000_000,
        ok: true,
        error: None,
        seconds_last: Some(seconds),
        seconds_median: Some(seconds * 0.9),
        server_egress: Some(25_000_000 * copies),
        bound_seconds: if mode == Mode::P2p { 10.0 } else { 10.0 * f64::from(n) },
        server_uplink: 2_500_000,
        receiver_uplink: 2_500_000,
        receiver_downlink: 10_000_000,
        pieces: 400,
    }
}

fn report() -> Report {
    let mut runs = Vec::new();
    for number in 1..=7 {
        let more = f64::from(number) / 1e4;
        runs.push(run(Lane::Http1, 100_000_000, number, 0.10 + more));
        runs.push(run(Lane::H2c, 100_000_000, number, 0.1001 + more));
        runs.push(run(Lane::BtTcp, 100_000_000, number, 0.20 + more));
        runs.push(run(Lane::Http1Tls, 100_000_000, number, 0.15 + more));
        runs.push(run(Lane::Http1, 10_000, number, 0.001 + more / 100.0));
        runs.push(run(Lane::Http1Tls, 10_000, number, 0.004 + more / 100.0));
    }
    runs.push(failed(Lane::Http1, 10_000, 8, "expected SHA-1 a, got \"<b>\", and more"));
    let mut receivers = Vec::new();
    for n in [1, 4, 16] {
        receivers.push(many(Mode::ClientServer, Lane::Http1, n, 10.1 * f64::from(n), u64::from(n)));
        receivers.push(many(Mode::P2p, Lane::BtTcp, n, 11.0, 1));
        receivers.push(many(Mode::P2p, Lane::BtWebRtc, n, 12.0, 2));
    }
    let beside = |lane, seconds| (1..=4).map(move |number| run(lane, 100_000_000, number, seconds));
    let beside = beside(Lane::Http1, 0.2).chain(beside(Lane::H2c, 0.1004)).collect();
    let environment = Environment {
        beside: Some("nginx/1.2.3".to_owned()),
        parallel: 1,
        namespaces: true,
        system: "<img src=x onerror=alert(1)>".to_owned(),
        held_equal: vec!["a & b".to_owned()],
        ..Environment::default()
    };
    Report { environment, runs, receivers, beside }
}

#[test]
fn the_table_counts_what_was_completed() {
    let text = table(&report());
    assert!(text.contains("HTTP/1.1                  7/8 "), "{text}");
    assert!(text.contains("HTTP/1.1                  7/7 "), "{text}");
    assert!(text.contains("100 MB "), "{text}");
    assert!(text.contains("1 of 43 transfers went wrong"), "{text}");
    assert!(text.contains("counted on the link"), "{text}");
    let widest =
        text.lines().filter(|line| line.starts_with("HTTP/1.1 ")).map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 110), "{text}");
}

#[test]
fn the_verdict_is_computed_and_claims_no_more_than_the_intervals_carry() {
    let text = verdict::sentences(&report(), &rows(&report())).join("\n");
    let first = "100 MB in clear: HTTP/1.1 996 MB/s and HTTP/2 (h2c) 995 MB/s cannot be told apart; BitTorrent, TCP \
                 reaches 0.50 of the first.";
    assert!(text.contains(first), "{text}");
    assert!(text.contains("TLS leaves HTTP/1.1 0.67 of its rate here and adds 0.20 %"), "{text}");
    assert!(text.contains("10 kB are a matter of opening connections"), "{text}");
    assert!(text.contains("16 receivers (25.0 MB: u_s = u_i = 2.50 MB/s, d = 10.0 MB/s): HTTP/1.1 takes 162 s and 16.0 copies"), "{text}");
    assert!(text.contains("BitTorrent, TCP 11.0 s (1.10 times the bound) and 1.0 copies"), "{text}");
    assert!(
        text.contains(
            "Of the rate of nginx/1.2.3 for 100 MB, the tracker reaches 1.99 over HTTP/1.1; as much, as far as these runs can \
             tell, over HTTP/2 (h2c)."
        ),
        "{text}"
    );
    assert!(verdict::sentences(&Report::default(), &[]).is_empty());
}

#[test]
fn with_few_runs_nobody_wins_and_no_interval_is_claimed() {
    let all = report();
    let first = |n: u32| Report {
        runs: all.runs.iter().filter(|run| run.run <= n && run.lane != Lane::H2c).cloned().collect(),
        ..all.clone()
    };
    for (n, expected) in [
        (1, "HTTP/1.1 999 MB/s, BitTorrent, TCP 500 MB/s; one run is not enough to name a fastest."),
        (3, "HTTP/1.1 998 MB/s, BitTorrent, TCP 500 MB/s; so few runs are not enough to name a fastest."),
        (4, "HTTP/1.1 is fastest with 998 MB/s; BitTorrent, TCP reaches 0.50 of that."),
    ] {
        let text = table(&first(n)) + &html(&first(n));
        assert!(text.contains(expected), "{n} runs: {text}");
        assert!(text.contains("their range (fewer than six"), "{n} runs: {text}");
        assert_eq!(text.contains("TLS leaves"), n >= 4, "{n} runs: {text}");
    }
    assert!(table(&first(6)).contains("± is half of their 95 % interval. "));
}

#[test]
fn beside_a_server_that_failed_there_is_nothing_to_say() {
    let beside = vec![failed(Lane::Http1, 100_000_000, 1, "no")];
    assert_eq!(beside::sentence(&Report { beside, ..report() }), None);
    assert_eq!(beside::sentence(&Report { beside: Vec::new(), ..report() }), None);
}

#[test]
fn csv_has_as_many_cells_in_every_line() {
    let text = csv(&report());
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1 + 43 + 8 + 9);
    for line in &lines {
        let mut inside = false;
        let commas = line.chars().filter(|c| {
            inside ^= *c == '"';
            *c == ',' && !inside
        });
        assert_eq!(commas.count() + 1, COLUMNS.len(), "{line}");
    }
    assert!(lines[1].starts_with("run,http1,,,100000000,1,true,0.1001"), "{}", lines[1]);
    assert!(text.contains(r#""expected SHA-1 a, got ""<b>"", and more""#), "{text}");
    assert!(text.contains("receivers,bt-tcp,p2p,16,25000000,,true,11,"), "{text}");
    assert!(lines[1].ends_with(",tracker,,,") && lines[44].ends_with(",nginx,,,"), "{}", lines[44]);
    assert!(lines[60].ends_with(",tracker,2500000,2500000,10000000"), "{}", lines[60]);
}

#[test]
fn the_page_is_self_contained_and_escapes_what_it_is_told() {
    let page = html(&report());
    assert!(!page.contains("<img") && page.contains("&lt;img src=x"), "escaped");
    assert!(page.contains("a &amp; b") && page.contains("&lt;b&gt;"));
    for outside in ["http://", "https://", "<script", "url(", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    for tag in ["section", "svg", "table", "ul", "title", "p", "main"] {
        let count = |text: &str| page.matches(text).count();
        let opened = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
        assert_eq!(opened, count(&format!("</{tag}>")), "{tag}");
    }
    let svgs = page.matches("<svg").count();
    assert_eq!(page.matches("<svg role=\"img\" aria-labelledby=").count(), svgs);
    assert!(svgs >= 8, "{svgs} plots");
}

#[test]
fn pages_of_nothing_and_of_failures_alone_are_pages() {
    for runs in [Vec::new(), vec![failed(Lane::Http2, 1, 1, "no")]] {
        let report = Report { runs, ..Report::default() };
        assert!(html(&report).ends_with("</main></body></html>\n"));
        assert!(!html(&report).contains("NaN") && !table(&report).contains("NaN"));
    }
}

#[test]
fn json_comes_back_as_it_went() {
    let report = report();
    let text = serde_json::to_string(&report).unwrap();
    let again = serde_json::from_str::<Report>(&text).unwrap();
    // Figures may differ in their last digit, which a second time shows.
    let close =
        |a: Option<f64>, b: Option<f64>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= a.abs() * 1e-15);
    assert!(
        again.runs.iter().zip(&report.runs).all(|(a, b)| a.wire == b.wire && close(a.seconds, b.seconds))
    );
    assert_eq!((again.environment, again.receivers.len()), (report.environment, report.receivers.len()));
}
