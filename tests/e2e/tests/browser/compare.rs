//! The Compare page.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::{Options, Profile, Tab};
use e2e::runner::{Context, Test};
use e2e::{page, tracker};
use serde_json::Value;

const SIZE: u64 = 20_000_000;
const LONG: Duration = Duration::from_secs(120);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("compare_runs_http_and_exports_what_it_found", http),
        Test::new("compare_leads_to_a_trusted_certificate", certificate),
        Test::new("compare_runs_p2p_from_a_seed_in_another_tab", p2p),
        Test::new("compare_gathers_from_receiver_tabs", receivers),
        Test::new("compare_gives_a_file_of_ones_own_to_other_tabs", own_file),
    ]
}

async fn comparing(context: &Context, any_certificate: bool) -> Result<(Arc<Profile>, Tab)> {
    context.file("served/large.bin", SIZE, 210)?;
    context.file("served/small.bin", 1_000, 211)?;
    let files = Some(context.scratch().join("files").join("served"));
    let tracker = context.tracker_with(&tracker::Options { files, ..tracker::Options::default() }).await?;
    let options = Options { any_certificate, ..Options::default() };
    let profile = context.profile_with("comparing", &options).await?;
    let tab = profile.tab().await?;
    page::open(&tab, &format!("{}/#/compare", tracker.origin())).await?;
    let large = "document.querySelector('[data-testid=compare-file]')?.selectedOptions[0]?.text.startsWith('large.bin')";
    tab.wait::<bool>("list of files, the largest chosen", large, LONG).await?;
    Ok((profile, tab))
}

async fn access(tab: &Tab, lane: &str, expected: &str) -> Result<()> {
    let expression = format!(
        "document.querySelector('[data-testid=compare-lane][data-lane={lane}]')?.dataset.access === {expected:?}"
    );
    tab.wait::<bool>(&format!("{lane} being {expected}"), &expression, LONG).await?;
    Ok(())
}

/// Chooses these ways and no others.
async fn choose(tab: &Tab, lanes: &[&str], runs: u32) -> Result<()> {
    let script = format!(
        "(() => {{ const wanted = {lanes:?};
            for (const it of document.querySelectorAll('[data-testid=compare-lane]')) {{
                const box = it.querySelector('input');
                if (box.checked !== wanted.includes(it.dataset.lane)) box.click();
            }}
            const runs = document.querySelector('[data-testid=compare-runs]');
            runs.value = '{runs}';
            runs.dispatchEvent(new Event('change', {{ bubbles: true }}));
            return true; }})()"
    );
    tab.eval::<bool>(&script).await?;
    Ok(())
}

async fn run(tab: &Tab) -> Result<()> {
    tab.click("[data-testid=compare-start]").await?;
    let over = "document.querySelector('[data-testid=compare-stage]')?.dataset.state === 'done'";
    tab.wait::<bool>("end of the comparison", over, LONG).await?;
    Ok(())
}

async fn exported(tab: &Tab) -> Result<Value> {
    let before = tab.profile().cdp().downloads().len();
    tab.click("[data-testid=compare-json]").await?;
    let (name, path) = tab.profile().download(before, LONG).await?;
    ensure!(name == "comparison.json", "it is saved as {name}");
    let text = std::fs::read_to_string(path)?;
    serde_json::from_str(&text).with_context(|| format!("the export is {text}"))
}

fn runs<'a>(report: &'a Value, lane: &'a str) -> impl Iterator<Item = &'a Value> {
    report["runs"].as_array().into_iter().flatten().filter(move |run| run["lane"] == lane)
}

/// A run that went well, and whose parts add up to what both sides sent.
fn check(run: &Value) -> Result<()> {
    check_up_to(run, SIZE + SIZE / 2)
}

/// The same, with at most so many bytes on the wire.
fn check_up_to(run: &Value, most: u64) -> Result<()> {
    let wire = &run["wire"];
    let part = |name: &str| wire[name].as_u64().with_context(|| format!("{name} of {run}"));
    ensure!(run["ok"] == true && run["size"] == SIZE, "{run}");
    let (seconds, goodput) = (run["seconds"].as_f64(), run["goodput"].as_f64());
    let (seconds, goodput) = (seconds.context("no time")?, goodput.context("no rate")?);
    ensure!((goodput * seconds - SIZE as f64).abs() < 1_000.0, "{run}");
    ensure!(run["ttfb_seconds"].as_f64().is_some_and(|first| first < seconds), "{run}");
    ensure!(part("payload")? == SIZE, "{run}");
    let names = ["payload", "application", "security", "transport", "network", "link_layer"];
    let sum = names.iter().map(|name| part(name)).sum::<Result<u64>>()?;
    ensure!(part("sum")? == sum && part("sent")? + part("received")? == sum, "{run}");
    ensure!(sum < most, "{run}");
    Ok(())
}

async fn http(context: Arc<Context>) -> Result<()> {
    let (_, tab) = comparing(&context, true).await?;
    for lane in ["http1", "http1-tls", "http2"] {
        access(&tab, lane, "open").await?;
    }
    choose(&tab, &["http1", "http1-tls", "http2"], 3).await?;
    run(&tab).await?;
    let rows: Vec<(String, String)> = tab
        .eval("[...document.querySelectorAll('[data-testid=compare-row]')].map(({ dataset }) => [dataset.lane, dataset.ok])")
        .await?;
    let expected = ["http1", "http1-tls", "http2"].map(|lane| (lane.to_owned(), "3".to_owned()));
    ensure!(rows == expected, "the table has {rows:?}");
    let report = exported(&tab).await?;
    ensure!(report["receivers"] == Value::Array(Vec::new()), "{report}");
    for (lane, protocol, secure) in
        [("http1", "http/1.1", false), ("http1-tls", "http/1.1", true), ("http2", "h2", true)]
    {
        ensure!(runs(&report, lane).count() == 3, "{report}");
        for run in runs(&report, lane) {
            check(run)?;
            ensure!(run["protocol"] == protocol && run["wire"]["measured"] == true, "{run}");
            ensure!((run["wire"]["security"].as_u64() > Some(0)) == secure, "{run}");
            ensure!(run["server_egress"] == run["wire"]["received"], "{run}");
        }
    }
    let said: String = tab.eval("document.querySelector('[data-testid=compare-verdict]').innerText").await?;
    ensure!(said.contains("HTTP/2"), "the verdict is {said}");
    Ok(())
}

async fn certificate(context: Arc<Context>) -> Result<()> {
    let (_, tab) = comparing(&context, false).await?;
    access(&tab, "http1", "open").await?;
    access(&tab, "http1-tls", "untrusted").await?;
    access(&tab, "http2", "untrusted").await?;
    let guide: String = tab
        .wait("guide", "document.querySelector('[data-testid=compare-certificate]')?.innerText", LONG)
        .await?;
    let fingerprint: String = tab
        .eval("fetch('/config.json').then((it) => it.json()).then((it) => it.certificateFingerprint)")
        .await?;
    ensure!(guide.contains(&fingerprint), "the guide lacks the fingerprint {fingerprint}: {guide}");
    choose(&tab, &["http1", "http2"], 1).await?;
    run(&tab).await?;
    let report = exported(&tab).await?;
    ensure!(runs(&report, "http2").count() == 0, "what cannot be used is not run: {report}");
    ensure!(runs(&report, "http1").count() == 1, "{report}");
    Ok(())
}

async fn p2p(context: Arc<Context>) -> Result<()> {
    let (_, tab) = comparing(&context, true).await?;
    access(&tab, "bt-webrtc", "open").await?;
    tab.click("[data-testid=compare-open-seed]").await?;
    let ready = "document.querySelector('[data-testid=compare-seed]')?.dataset.ready === 'true'";
    tab.wait::<bool>("seed in another tab", ready, LONG).await?;
    choose(&tab, &["http2", "bt-webrtc"], 1).await?;
    run(&tab).await?;
    let report = exported(&tab).await?;
    for lane in ["http2", "bt-webrtc"] {
        ensure!(runs(&report, lane).count() == 1, "{report}");
        runs(&report, lane).try_for_each(check)?;
    }
    ensure!(runs(&report, "bt-webrtc").all(|run| run["setup_seconds"].is_number()), "{report}");
    // Erased: nothing is left under Transfers.
    let left: u64 = tab.eval("document.querySelectorAll('.count').length").await?;
    ensure!(left == 0, "the transfer is still listed");
    Ok(())
}

async fn receivers(context: Arc<Context>) -> Result<()> {
    let (_, tab) = comparing(&context, true).await?;
    access(&tab, "http2", "open").await?;
    tab.click("[data-testid=compare-open-tabs]").await?;
    let joined = "document.querySelector('[data-testid=compare-receivers]')?.dataset.joined === '2'";
    tab.wait::<bool>("two receivers", joined, LONG).await?;
    choose(&tab, &["http2"], 1).await?;
    run(&tab).await?;
    let report = exported(&tab).await?;
    let many = &report["receivers"][0];
    ensure!(many["mode"] == "client-server" && many["n"] == 2 && many["lane"] == "http2", "{report}");
    ensure!(many["seconds_last"].as_f64() >= many["seconds_median"].as_f64(), "{report}");
    let egress = many["server_egress"].as_u64().unwrap_or_default();
    ensure!((2 * SIZE..2 * SIZE + SIZE / 5).contains(&egress), "{report}");
    Ok(())
}

async fn own_file(context: Arc<Context>) -> Result<()> {
    let (_, tab) = comparing(&context, true).await?;
    let (own, _) = context.file("own.bin", SIZE, 212)?;
    tab.choose("[data-testid=compare-own]", &[&own]).await?;
    let ready = "document.querySelector('[data-testid=compare-seed]')?.dataset.ready === 'true'";
    tab.wait::<bool>("this tab to seed the file", ready, LONG).await?;
    let blocked = "document.querySelector('[data-testid=compare-start]').disabled";
    ensure!(tab.eval::<bool>(blocked).await?, "a tab cannot fetch its own file from itself");
    tab.click("[data-testid=compare-open-tabs]").await?;
    let joined = "document.querySelector('[data-testid=compare-receivers]')?.dataset.joined === '2'";
    tab.wait::<bool>("two receivers", joined, LONG).await?;
    choose(&tab, &["http1", "bt-webrtc"], 1).await?;
    run(&tab).await?;
    let report = exported(&tab).await?;
    ensure!(runs(&report, "http1").count() == 0, "the server does not have this file: {report}");
    ensure!(runs(&report, "bt-webrtc").count() == 2, "{report}");
    // What a receiver passes on to the other is on its wire as well.
    runs(&report, "bt-webrtc").try_for_each(|run| check_up_to(run, SIZE * 5 / 2))?;
    ensure!(report["receivers"][0]["mode"] == "p2p" && report["receivers"][0]["n"] == 2, "{report}");
    Ok(())
}
