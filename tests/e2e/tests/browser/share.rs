//! The Share view: every way in, odd files, by keyboard, and what assistive tools see.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Tab;
use e2e::files;
use e2e::page::{self, By};
use e2e::runner::{Context, Test};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("folder_is_saved_file_by_file", folder),
        Test::new("odd_names_and_empty_files", odd),
        Test::new("share_by_keyboard_alone", keyboard),
        Test::new("link_pasted_into_the_field", pasted),
        Test::new("the_same_files_have_one_link", one_link),
        Test::new("torrent_file_shows_foreign_trackers_before_asking_them", foreign),
        Test::new("assistive_tools_find_names", names),
    ]
}

/// Downloads everything behind `link` and compares: names and SHA-256.
async fn arrives(tab: &Tab, link: &str, expected: &[(String, String)]) -> Result<()> {
    page::download(tab, link).await?;
    page::complete(tab, LONG).await?;
    let savable = page::savable(tab).await?;
    ensure!(savable.len() == expected.len(), "there are {savable:?} to save, expected {expected:?}");
    for (path, sha256) in expected {
        let shown = savable.iter().find(|shown| shown.ends_with(path.as_str()));
        let shown = shown.with_context(|| format!("no {path} among {savable:?}"))?;
        let (name, saved) = page::save(tab, shown, LONG).await?;
        let last = path.rsplit('/').next().unwrap_or(path);
        ensure!(name == last, "the browser would save {path} as {name}");
        ensure!(files::sha256(&saved)? == *sha256, "the saved {path} differs from the original");
    }
    Ok(())
}

async fn share_folder(
    context: &Context,
    files: &[(&str, u64)],
) -> Result<(Tab, String, Vec<(String, String)>)> {
    let tracker = Arc::new(context.tracker().await?);
    let mut expected = Vec::new();
    for (number, (name, length)) in files.iter().enumerate() {
        let (_, sha256) = context.file(&format!("folder/{name}"), *length, 80 + number as u64)?;
        expected.push(((*name).to_owned(), sha256));
    }
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&context.scratch().join("files").join("folder")], By::Dropping).await?;
    let tab = context.profile("leech").await?.tab().await?;
    arrives(&tab, &link, &expected).await?;
    Ok((tab, link, expected))
}

async fn folder(context: Arc<Context>) -> Result<()> {
    let files = [("a.bin", 1_000_001), ("b/c.bin", 16_384), ("b/d/e.bin", 3_333_333)];
    share_folder(&context, &files).await?;
    Ok(())
}

async fn odd(context: Arc<Context>) -> Result<()> {
    let files = [
        ("empty.txt", 0),
        ("ein Buch über Öl & 100 %.txt", 70_001),
        ("日本語 ファイル.bin", 33_333),
        ("quote ' # + , ; = @ [x] {y}.bin", 16_385),
        ("🎈.bin", 1),
        ("also empty", 0),
    ];
    share_folder(&context, &files).await?;
    Ok(())
}

async fn keyboard(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, _) = context.file("keys.bin", 1_000_000, 90)?;
    let profile = context.profile("keys").await?;
    let tab = profile.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    tab.intercept_file_chooser().await?;
    // To the drop zone: a button whose name says what it is for.
    let focused = "(() => { const it = document.activeElement;
        return it.tagName === 'BUTTON' && /drop|choose|share/i.test(it.innerText + (it.ariaLabel ?? '')); })()";
    focus(&tab, "the drop zone", focused).await?;
    tab.press("Enter").await?;
    tab.answer_file_chooser(&[&file]).await?;
    let link = page::link(&tab).await?;
    let grant = json!({ "origin": tracker.origin(), "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    profile.cdp().call(None, "Browser.grantPermissions", grant).await?;
    let copies = "/copy/i.test(document.activeElement.innerText + (document.activeElement.ariaLabel ?? ''))
        && !/magnet|hash/i.test(document.activeElement.innerText)";
    focus(&tab, "a button that copies", copies).await?;
    tab.press("Enter").await?;
    let copied = format!("navigator.clipboard.readText().then((text) => text === {})", json!(link));
    tab.wait::<bool>("link in the clipboard", &copied, Duration::from_secs(5)).await?;
    Ok(())
}

async fn focus(tab: &Tab, what: &str, condition: &str) -> Result<()> {
    for _ in 0..40 {
        if tab.eval::<bool>(condition).await? {
            return Ok(());
        }
        tab.press("Tab").await?;
    }
    anyhow::bail!("40 presses of Tab do not lead to {what}")
}

async fn pasted(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, sha256) = context.file("pasted.bin", 2_000_000, 91)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    let (_, magnet) = link.split_once('#').context("the link has no fragment")?;
    let hash =
        magnet.split("btih:").nth(1).and_then(|rest| rest.get(..40)).context("the link has no hash")?;
    for (name, text) in [("link", link.as_str()), ("magnet", magnet), ("hash", hash)] {
        let tab = context.profile(name).await?.tab().await?;
        page::open(&tab, &tracker.origin()).await?;
        tab.type_into("[data-testid=link-input]", text).await?;
        tab.press("Enter").await?;
        page::press_download(&tab).await.with_context(|| format!("pasting {text}"))?;
        page::complete(&tab, LONG).await?;
        let (_, saved) = page::save(&tab, "pasted.bin", LONG).await?;
        ensure!(files::sha256(&saved)? == sha256, "the saved file differs from the original");
    }
    Ok(())
}

async fn one_link(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, _) = context.file("same.bin", 5_000_000, 92)?;
    let mut links = Vec::new();
    for (name, by) in [("one", By::Choosing), ("two", By::Dropping)] {
        let tab = context.profile(name).await?.tab().await?;
        page::open(&tab, &tracker.origin()).await?;
        links.push(page::share(&tab, &[&file], by).await?);
    }
    ensure!(links[0] == links[1], "two links for one file: {links:?}");
    for part in ["&dn=same.bin", "&xl=5000000", "&tr=ws"] {
        ensure!(links[0].contains(part), "the link lacks {part}: {}", links[0]);
    }
    Ok(())
}

/// Roles whose elements have to have a name.
const NAMED: [&str; 8] = ["button", "link", "textbox", "progressbar", "checkbox", "combobox", "tab", "img"];

async fn names(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let (file, _) = context.file("named.bin", 3_000_000, 93)?;
    let seed = context.profile("seed").await?.tab().await?;
    page::open(&seed, &tracker.origin()).await?;
    check_names(&seed, "Share, empty").await?;
    let link = page::share(&seed, &[&file], By::Choosing).await?;
    check_names(&seed, "Share, with a link").await?;
    let tab = context.profile("leech").await?.tab().await?;
    page::download(&tab, &link).await?;
    page::complete(&tab, LONG).await?;
    check_names(&tab, "Transfer, complete").await
}

async fn check_names(tab: &Tab, view: &str) -> Result<()> {
    tab.cdp("Accessibility.enable", json!({})).await?;
    let tree = tab.cdp("Accessibility.getFullAXTree", json!({})).await?;
    let nodes = tree["nodes"].as_array().context("no accessibility tree")?;
    let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
    let seen = |node: &&Value| !node["ignored"].as_bool().unwrap_or(false);
    let nameless: Vec<_> = nodes
        .iter()
        .filter(seen)
        .filter(|node| NAMED.contains(&role(node).as_str()))
        .filter(|node| node["name"]["value"].as_str().unwrap_or_default().trim().is_empty())
        .map(|node| format!("{} (node {})", role(node), node["backendDOMNodeId"]))
        .collect();
    ensure!(nameless.is_empty(), "{view}: without a name: {nameless:?}");
    for (landmark, least) in [("main", 1), ("heading", 1), ("button", 1)] {
        let count = nodes.iter().filter(seen).filter(|node| role(node) == landmark).count();
        ensure!(count >= least, "{view}: no {landmark}");
    }
    let page: Value = tab
        .eval(
            "({ lang: document.documentElement.lang, title: document.title,
                headings: document.querySelectorAll('h1').length,
                live: document.querySelectorAll('[aria-live], [role=status], [role=alert]').length })",
        )
        .await?;
    ensure!(page["lang"] == "en", "{view}: the page's language is {}", page["lang"]);
    ensure!(page["title"].as_str().is_some_and(|title| !title.is_empty()), "{view}: no title");
    ensure!(page["headings"] == 1, "{view}: {} headings of the first level", page["headings"]);
    ensure!(page["live"].as_u64() > Some(0), "{view}: nothing is announced");
    Ok(())
}

/// A `.torrent` of five bytes that names a tracker of somebody else.
const FOREIGN: &str = "d8:announce19:wss://other.example4:infod6:lengthi5e4:name5:a.txt12:piece lengthi16384e\
    6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

/// Nobody but this origin is contacted before the person has seen whom else the file names.
async fn foreign(context: Arc<Context>) -> Result<()> {
    let tracker = context.tracker().await?;
    let file = context.scratch().join("foreign.torrent");
    std::fs::write(&file, FOREIGN)?;
    let tab = context.profile("leech").await?.tab().await?;
    page::open(&tab, &tracker.origin()).await?;
    tab.choose("input#files", &[&file]).await?;
    let named = "document.querySelector('[data-testid=foreign]')?.innerText.includes('other.example')";
    tab.wait::<bool>("the foreign tracker by name", named, LONG).await?;
    let asked: String = tab
        .eval("[...document.querySelectorAll('section:not([data-testid=foreign]) > .trackers .url')].map((it) => it.textContent).join(' ')")
        .await?;
    ensure!(asked.contains("/announce"), "our own tracker is not in the list: {asked:?}");
    ensure!(!asked.contains("other.example"), "a foreign tracker was asked unseen: {asked:?}");
    Ok(())
}
