//! The Dashboard, for its operator and for nobody else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Tab;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::tracker::Options;

const LONG: Duration = Duration::from_secs(60);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("dashboard_shows_a_real_transfer", transfer).within(Duration::from_secs(180)),
        Test::new("dashboard_asks_for_the_token", token),
        Test::new("dashboard_is_told_nothing_by_who_says_no", silent).within(Duration::from_secs(120)),
    ]
}

async fn until(tab: &Tab, what: &str, expression: &str) -> Result<()> {
    tab.wait::<bool>(what, expression, LONG).await.map(|_| ())
}

/// A browser with the dashboard, and another that shares a file which a third fetches slowly.
async fn transfer(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let address = format!("{}/#/dashboard", tracker.origin());
    let dashboard = context.profile("operator").await?.tab().await?;
    page::open(&dashboard, &address).await?;
    until(&dashboard, "live feed", "!!document.querySelector('[data-testid=dashboard] .dot.on')").await?;
    let (file, _) = context.file("watched.bin", 60_000_000, 40)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    seed.eval::<()>("void localStorage.setItem('upload-limit', '2500000')").await?;
    seed.goto("about:blank").await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let leech = context.profile("leech").await?.tab().await?;
    page::download(&leech, &link).await?;
    let value =
        |name: &str| format!("document.querySelector('[data-testid=tile-{name}] .tile-value')?.innerText");
    until(&dashboard, "two peers", &format!("{} === '2'", value("peers"))).await?;
    until(&dashboard, "one torrent", &format!("{} === '1'", value("torrents"))).await?;
    until(&dashboard, "bytes between peers", &format!("/[1-9].*B\\/s/.test({})", value("between"))).await?;
    let progress =
        "[...document.querySelectorAll('[data-testid=member]')].map((row) => Number(row.dataset.progress))";
    until(
        &dashboard,
        "seed and leech in the table",
        &format!("{progress}.includes(100) && {progress}.some((part) => part > 0 && part < 100)"),
    )
    .await?;
    until(&dashboard, "a flow in the picture", "!!document.querySelector('[data-testid=flow]')").await?;
    let nodes: u32 = dashboard.eval("document.querySelectorAll('[data-testid=node]').length").await?;
    ensure!(nodes == 2, "{nodes} nodes stand for two peers");
    until(
        &dashboard,
        "who joined in the log",
        "document.querySelectorAll('[data-testid=event][data-kind=joined]').length >= 2",
    )
    .await?;
    filter(&dashboard).await?;
    let text: String = dashboard.eval("document.querySelector('[data-testid=dashboard]').innerText").await?;
    ensure!(!text.contains("NaN") && !text.contains("undefined"), "{text}");
    page::complete(&leech, Duration::from_secs(120)).await?;
    until(&dashboard, "both complete", &format!("{progress}.filter((part) => part === 100).length === 2"))
        .await?;
    Ok(())
}

/// The log shows only what is asked for, by keyboard.
async fn filter(tab: &Tab) -> Result<()> {
    let type_in = |text: &str| {
        format!(
            "(() => {{ const it = document.querySelector('#log-filter'); it.focus(); it.value = {text:?}; \
             it.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        )
    };
    tab.eval::<()>(&type_in("nobody says this")).await?;
    until(tab, "no lines", "document.querySelectorAll('[data-testid=event]').length === 0").await?;
    tab.eval::<()>(&type_in("")).await?;
    until(tab, "all lines", "document.querySelectorAll('[data-testid=event]').length >= 2").await
}

async fn token(context: Arc<Context>) -> Result<()> {
    let arguments = vec!["--dashboard-token".to_owned(), TOKEN.to_owned()];
    let tracker = context.tracker_with(&Options { arguments, ..Options::default() }).await?;
    let tab = context.profile("operator").await?.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    let shown: bool = tab.eval("!!document.querySelector('nav.views a[href=\"#/dashboard\"]')").await?;
    ensure!(!shown, "who may not see it is shown the way");
    page::open(&tab, &format!("{}/#/dashboard", tracker.origin())).await?;
    let give = |token: &str| {
        format!(
            "(() => {{ document.querySelector('#token').value = {token:?}; \
             document.querySelector('[data-testid=dashboard-token]').requestSubmit(); }})()"
        )
    };
    until(&tab, "the question", "document.activeElement?.id === 'token'").await?;
    tab.eval::<()>(&give("wrong-wrong-wrong-wrong")).await?;
    until(&tab, "the refusal", "!!document.querySelector('[data-testid=dashboard-token] [role=alert]')")
        .await?;
    tab.eval::<()>(&give(TOKEN)).await?;
    until(&tab, "the numbers", "!!document.querySelector('[data-testid=tile-peers]')").await?;
    until(&tab, "live feed", "!!document.querySelector('[data-testid=dashboard] .dot.on')").await?;
    let kept: bool = tab.eval("JSON.stringify(localStorage).includes('0123456789abcdef')").await?;
    ensure!(!kept, "the token is kept beyond the tab");
    Ok(())
}

async fn silent(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, _) = context.file("unwatched.bin", 1_000_000, 41)?;
    let reporting = async || -> Result<f64> {
        let (_, metrics) = tracker.get("/metrics").await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("piecemeal_reporting_torrents "));
        Ok(line.context("no such metric")?.parse()?)
    };
    let tab = context.profile("seed").await?.tab().await?;
    page::open(&tab, &format!("{}/#/settings", tracker.origin())).await?;
    tab.click("#reports").await?;
    page::share(&tab, &[&file], By::Choosing).await?;
    tracker.wait_peers(1, LONG).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(reporting().await? == 0.0, "it reports although it was told not to");
    tab.goto(&format!("{}/#/settings", tracker.origin())).await?;
    tab.click("#reports").await?;
    let asked = async {
        while reporting().await? == 0.0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG, asked).await.context("it reports nothing although it may")?
}
