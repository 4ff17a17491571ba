//! Private mode: who has no account is asked for one, and then what they were doing goes on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Tab;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use e2e::tracker;

const SHORT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(90);
const PASSWORD: &str = "correct horse battery";

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("private_tracker_asks_for_a_login_and_goes_on", private)]
}

fn has(id: &str) -> String {
    format!("!!document.querySelector('[data-testid={id}]')")
}

async fn fill(tab: &Tab, fields: &[(&str, &str)], button: &str) -> Result<()> {
    for (id, text) in fields {
        let selector = format!("[data-testid={id}]");
        tab.wait::<bool>("a field", &has(id), SHORT).await?;
        tab.type_into(&selector, text).await?;
    }
    tab.click(&format!("[data-testid={button}]")).await
}

async fn private(context: Arc<Context>) -> Result<()> {
    // What a browser logs of a refusal that is expected.
    context.tolerate("401");
    let arguments = vec!["--require-login".to_owned()];
    let tracker = context.tracker_with(&tracker::Options { arguments, ..Default::default() }).await?;
    let log = tracker.log();
    let code = log.split("/account?invite=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let code = code.with_context(|| format!("no link for the first account in {log}"))?;

    // The operator makes the first account by the link that the tracker printed, and shares.
    let (one, two) = (context.profile("seed").await?, context.profile("leech").await?);
    let (from, to) = (one.tab().await?, two.tab().await?);
    page::open(&from, &format!("{}/#/account?invite={code}", tracker.origin())).await?;
    fill(&from, &[("register-name", "ann"), ("register-password", PASSWORD)], "register").await?;
    from.wait::<bool>("the account", &has("my-name"), SHORT).await?;
    ensure!(!from.eval::<String>("location.hash").await?.contains(code), "a used code stays in the address");
    from.wait::<bool>("the list of accounts", &has("account-row"), SHORT).await?;
    let urls: Vec<String> = {
        from.click("[data-testid=show-passkey]").await?;
        from.eval("[...document.querySelectorAll('[data-testid=announce-url]')].map((it) => it.innerText)")
            .await?
    };
    let passkey = urls.first().and_then(|url| url.split('/').nth(3)).unwrap_or_default().to_owned();
    ensure!(passkey.len() == 32, "the announce URLs are {urls:?}");
    from.type_into("[data-testid=add-name]", "bob").await?;
    from.click("[data-testid=add-account]").await?;
    let made = "document.querySelector('[data-testid=handover]')?.innerText";
    let password: String = from.wait("a password to hand over", made, SHORT).await?;

    let (file, _) = context.file("payload.bin", 1_000_000, 2)?;
    from.eval::<bool>("(location.hash = '/share', true)").await?;
    page::ready(&from).await?;
    from.wait::<bool>("the drop zone", "!!document.querySelector('.drop-button')", SHORT).await?;
    let link = page::share(&from, &[&file], By::Choosing).await?;
    ensure!(!link.contains(&passkey), "the link holds the passkey");
    tracker.wait_peers(1, SHORT).await?;

    // Somebody without an account opens the link: refused, and asked to log in.
    page::open(&to, &link).await?;
    to.wait::<bool>("the login form", &has("login-form"), SHORT).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    tracker.wait_peers(1, SHORT).await.context("somebody without an account is in the swarm")?;
    ensure!(!to.eval::<bool>(&has("download")).await?, "offered although nobody was met");
    fill(&to, &[("login-name", "bob"), ("login-password", "not the password")], "log-in").await?;
    let trouble = "document.querySelector('[data-testid=trouble]')?.innerText";
    let said: String = to.wait("what is wrong", trouble, SHORT).await?;
    ensure!(said.contains("wrong"), "it says {said:?}");
    ensure!(!to.eval::<bool>(&has("download")).await?, "offered after a wrong password");

    // Once logged in, what was under way goes on by itself.
    fill(&to, &[("login-password", &password)], "log-in").await?;
    page::press_download(&to).await?;
    let transfer = page::complete(&to, LONG).await?;
    ensure!(transfer.total == 1_000_000, "the transfer has {} bytes", transfer.total);
    ensure!(!to.eval::<bool>(&has("login-gate")).await?, "the form is still there");

    // Logged out, the tracker forgets this tab.
    to.eval::<bool>("(location.hash = '/account', true)").await?;
    to.wait::<bool>("the account", &has("log-out"), SHORT).await?;
    ensure!(!to.eval::<bool>(&has("account-row")).await?, "a member sees everybody's accounts");
    to.click("[data-testid=log-out]").await?;
    to.wait::<bool>("the login form", &has("login-form"), SHORT).await?;
    tracker.wait_peers(1, LONG).await
}
