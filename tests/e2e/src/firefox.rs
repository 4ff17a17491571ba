//! Firefox by WebDriver BiDi, which it speaks itself: enough to open the page, give it a file and see what is saved.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long Firefox may take to start, and to answer one command.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Silent on the network by itself; saves without asking; shows its address to the other side, as there is no mDNS here.
const PREFERENCES: [(&str, &str); 10] = [
    ("app.update.enabled", "false"),
    ("browser.download.folderList", "2"),
    ("browser.download.useDownloadDir", "true"),
    ("browser.helperApps.neverAsk.saveToDisk", "\"application/octet-stream\""),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("media.peerconnection.ice.obfuscate_host_addresses", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("remote.active-protocols", "1"),
];

/// A running Firefox with one tab. It ends when this is dropped.
#[derive(Debug)]
pub struct Firefox {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    tab: String,
    downloads: PathBuf,
    _profile: TempDir,
    _process: Child,
}

impl Firefox {
    /// Starts it with a fresh profile in `scratch`.
    ///
    /// # Errors
    /// It is not installed, or does not listen in time.
    pub async fn start(scratch: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("firefox-").tempdir_in(scratch)?;
        let (profile, downloads) = (directory.path().join("profile"), directory.path().join("downloads"));
        std::fs::create_dir_all(&profile)?;
        std::fs::create_dir_all(&downloads)?;
        let preference = |(name, value): (&str, String)| format!("user_pref(\"{name}\", {value});\n");
        let mut preferences: String =
            PREFERENCES.map(|(name, value)| preference((name, value.to_owned()))).concat();
        preferences += &preference(("browser.download.dir", json!(downloads).to_string()));
        std::fs::write(profile.join("user.js"), preferences)?;
        let mut process = Command::new("firefox-esr")
            .args(["--headless", "--no-remote", "--remote-debugging-port=0", "--profile"])
            .arg(&profile)
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting firefox-esr (Debian: apt install firefox-esr)")?;
        let mut lines = BufReader::new(process.stderr.take().context("Firefox has no output")?).lines();
        let address = tokio::time::timeout(ANSWER_WITHIN, async {
            loop {
                let line = lines.next_line().await?.context("Firefox ended before it listened")?;
                if let Some((_, address)) = line.split_once("WebDriver BiDi listening on ") {
                    return anyhow::Ok(address.trim().to_owned());
                }
            }
        });
        let address = address.await.context("Firefox does not listen")??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = tokio_tungstenite::connect_async(format!("{address}/session")).await?;
        let mut firefox =
            Self { socket, next: 0, tab: String::new(), downloads, _profile: directory, _process: process };
        firefox.call("session.new", json!({ "capabilities": {} })).await?;
        let tree = firefox.call("browsingContext.getTree", json!({})).await?;
        firefox.tab = tree["contexts"][0]["context"].as_str().context("Firefox has no tab")?.to_owned();
        Ok(firefox)
    }

    /// Opens an address and waits until it is loaded.
    pub async fn goto(&mut self, address: &str) -> Result<()> {
        let parameters = json!({ "context": self.tab, "url": address, "wait": "complete" });
        self.call("browsingContext.navigate", parameters).await.map(drop)
    }

    /// The value of a JavaScript expression that is a text, number, boolean or null.
    pub async fn eval(&mut self, expression: &str) -> Result<Value> {
        Ok(self.evaluate(expression, "none").await?["value"].take())
    }

    /// Waits until an expression is something else than null and false.
    pub async fn wait(&mut self, what: &str, expression: &str, within: Duration) -> Result<Value> {
        let end = Instant::now() + within;
        loop {
            let value = self.eval(expression).await?;
            if value != Value::Null && value != Value::Bool(false) {
                return Ok(value);
            }
            if Instant::now() >= end {
                let text = self.eval("document.body.innerText").await?;
                bail!("no {what} within {within:?}; the page shows: {text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Chooses a file in an `input`.
    pub async fn choose(&mut self, selector: &str, file: &Path) -> Result<()> {
        let found = self.evaluate(&format!("document.querySelector({selector:?})"), "root").await?;
        ensure!(found["sharedId"].is_string(), "no {selector} on the page: {found}");
        let element = json!({ "sharedId": found["sharedId"] });
        let parameters = json!({ "context": self.tab, "element": element, "files": [file] });
        self.call("input.setFiles", parameters).await.map(drop)
    }

    /// Waits for a whole file of this name in the downloads directory.
    pub async fn saved(&self, name: &str, length: u64, within: Duration) -> Result<PathBuf> {
        let (path, end) = (self.downloads.join(name), Instant::now() + within);
        loop {
            let partial = self.downloads.join(format!("{name}.part"));
            let found = std::fs::metadata(&path).map(|file| file.len()).ok();
            if found == Some(length) && !partial.exists() {
                return Ok(path);
            }
            ensure!(Instant::now() < end, "{name} after {within:?}: {found:?} bytes, expected {length}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn evaluate(&mut self, expression: &str, ownership: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "target": { "context": self.tab },
            "awaitPromise": true, "resultOwnership": ownership });
        let mut answer = self.call("script.evaluate", parameters).await?;
        ensure!(answer["type"] == "success", "{expression}: {}", answer["exceptionDetails"]["text"]);
        Ok(answer["result"].take())
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.next += 1;
        let message = json!({ "id": self.next, "method": method, "params": parameters });
        self.socket.send(Message::text(message.to_string())).await?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, async {
            while let Some(message) = self.socket.next().await {
                let Message::Text(text) = message? else { continue };
                let mut answer: Value = serde_json::from_str(&text)?;
                if answer["id"] != self.next {
                    continue;
                }
                ensure!(answer["type"] == "success", "{method}: {}", answer["message"]);
                return Ok(answer["result"].take());
            }
            bail!("{method}: Firefox closed the connection")
        });
        answer.await.with_context(|| format!("{method}: no answer within {ANSWER_WITHIN:?}"))?
    }
}
