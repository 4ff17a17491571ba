//! Chromium under chromedriver: profiles (one browser process each) and their tabs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::WindowHandle;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::cdp::{Cdp, Watch};

/// Flags of every browser: headless, and silent on the network by itself.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A running chromedriver.
#[derive(Debug)]
pub struct Driver {
    address: String,
    _process: Child,
}

impl Driver {
    /// Starts it on a free port.
    pub async fn start() -> Result<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting chromedriver (Debian: apt install chromium chromium-driver)")?;
        let mut lines = BufReader::new(process.stdout.take().context("chromedriver has no output")?).lines();
        let port = loop {
            let line = lines.next_line().await?.context("chromedriver ended before it listened")?;
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { address: format!("http://127.0.0.1:{port}"), _process: process })
    }
}

/// How a browser is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Local addresses are hidden behind mDNS names, as they are for users.
    pub mdns: bool,
    /// Certificates that nobody signed are accepted.
    pub any_certificate: bool,
    /// What is watched.
    pub watch: Watch,
    /// Further flags.
    pub flags: Vec<String>,
    /// Inner size of the window in CSS pixels.
    pub size: (u32, u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mdns: false,
            any_certificate: false,
            watch: Watch::Everything,
            flags: Vec::new(),
            size: (1280, 900),
        }
    }
}

/// A browser with a fresh profile of its own.
#[derive(Debug)]
pub struct Profile {
    driver: WebDriver,
    cdp: Cdp,
    name: String,
    directory: TempDir,
    /// WebDriver has one current window; whoever uses it holds this.
    turn: Mutex<()>,
    first: Mutex<Option<WindowHandle>>,
}

impl Profile {
    /// Starts a browser.
    pub async fn start(driver: &Driver, name: &str, options: &Options, scratch: &Path) -> Result<Arc<Self>> {
        let directory = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(scratch)?;
        let data = directory.path().join("profile");
        let downloads = directory.path().join("downloads");
        std::fs::create_dir_all(&downloads)?;
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in FLAGS {
            capabilities.add_arg(flag)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", data.display()))?;
        capabilities.add_arg(&format!("--window-size={},{}", options.size.0, options.size.1))?;
        let hidden = if options.mdns { "" } else { ",WebRtcHideLocalIpsWithMdns" };
        capabilities.add_arg(&format!("--disable-features=SpareRendererForSitePerProcess{hidden}"))?;
        if options.any_certificate {
            capabilities.add_arg("--ignore-certificate-errors")?;
        } else {
            capabilities.accept_insecure_certs(false)?;
        }
        for flag in &options.flags {
            capabilities.add_arg(flag)?;
        }
        let driver = WebDriver::builder(driver.address.as_str(), capabilities)
            .request_timeout(Duration::from_secs(90))
            .await
            .context("starting Chromium")?;
        let cdp = Cdp::connect(&data, options.watch).await?;
        let behaviour =
            json!({ "behavior": "allowAndName", "downloadPath": downloads, "eventsEnabled": true });
        cdp.call(None, "Browser.setDownloadBehavior", behaviour).await?;
        let first = Mutex::new(Some(driver.window().await?));
        Ok(Arc::new(Self { driver, cdp, name: name.to_owned(), directory, turn: Mutex::new(()), first }))
    }

    /// Its name in messages and artifacts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol beside WebDriver.
    pub fn cdp(&self) -> &Cdp {
        &self.cdp
    }

    /// Where files of this test may be put.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Opens an empty tab in a window of its own, so that it is visible beside the others.
    pub async fn tab(self: &Arc<Self>) -> Result<Tab> {
        let _turn = self.turn.lock().await;
        let handle = match self.first.lock().await.take() {
            Some(handle) => handle,
            None => self.driver.new_window().await?,
        };
        let session = self.cdp.page_session(&handle.to_string()).await?;
        self.cdp.call(Some(&session), "Page.enable", json!({})).await?;
        Ok(Tab { profile: Arc::clone(self), handle, session })
    }

    /// Opens an empty tab in the same window as the last one, which is hidden by it.
    pub async fn tab_in_front(self: &Arc<Self>, of: &Tab) -> Result<Tab> {
        let _turn = self.turn.lock().await;
        self.driver.switch_to_window(of.handle.clone()).await?;
        let handle = self.driver.new_tab().await?;
        let session = self.cdp.page_session(&handle.to_string()).await?;
        self.cdp.call(Some(&session), "Page.enable", json!({})).await?;
        self.cdp.call(Some(&session), "Page.bringToFront", json!({})).await?;
        Ok(Tab { profile: Arc::clone(self), handle, session })
    }

    /// Opens a tab and an address in it.
    pub async fn open(self: &Arc<Self>, address: &str) -> Result<Tab> {
        let tab = self.tab().await?;
        tab.goto(address).await?;
        Ok(tab)
    }

    /// Waits until download number `index` (from 0) is on the disk.
    ///
    /// # Errors
    /// It was broken off, or has not ended in time.
    pub async fn download(&self, index: usize, within: Duration) -> Result<(String, PathBuf)> {
        let end = Instant::now() + within;
        loop {
            let downloads = self.cdp.downloads();
            match downloads.get(index) {
                Some(download) if download.state == "completed" => {
                    let path = self.directory.path().join("downloads").join(&download.guid);
                    return Ok((download.name.clone(), path));
                }
                Some(download) if download.state == "canceled" => {
                    bail!(
                        "download {index} ({}) was broken off after {} bytes",
                        download.name,
                        download.received
                    )
                }
                state => ensure!(Instant::now() < end, "download {index} after {within:?}: {state:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Screenshots, console and page text of every window.
    pub async fn save_artifacts(&self, into: &Path) -> Result<()> {
        let lines: String = self
            .cdp
            .lines()
            .iter()
            .map(|line| {
                format!("{:8.3} {} {}: {}\n", line.at.as_secs_f64(), line.target, line.kind, line.text)
            })
            .collect();
        std::fs::write(into.join(format!("{}.log", self.name)), lines)?;
        let _turn = self.turn.lock().await;
        for (number, handle) in self.driver.windows().await?.into_iter().enumerate() {
            self.driver.switch_to_window(handle).await?;
            let base = into.join(format!("{}-{number}", self.name));
            self.driver.screenshot(&base.with_extension("png")).await?;
            std::fs::write(base.with_extension("html"), self.driver.source().await?)?;
        }
        Ok(())
    }

    /// Ends the browser.
    pub async fn quit(&self) {
        // A browser that does not end within this time ends with its driver.
        let _ = tokio::time::timeout(Duration::from_secs(15), self.driver.clone().quit()).await;
    }
}

/// One tab.
#[derive(Clone, Debug)]
pub struct Tab {
    profile: Arc<Profile>,
    handle: WindowHandle,
    session: String,
}

impl Tab {
    /// The browser it belongs to.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Sends a command of Chromium's protocol to the tab.
    pub async fn cdp(&self, method: &str, parameters: Value) -> Result<Value> {
        self.profile.cdp.call(Some(&self.session), method, parameters).await
    }

    /// Opens an address and waits for its load event.
    pub async fn goto(&self, address: &str) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        self.profile.driver.goto(address).await.with_context(|| format!("opening {address}"))
    }

    /// Reloads the page.
    pub async fn reload(&self) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        Ok(self.profile.driver.refresh().await?)
    }

    /// Closes the tab, and nothing but the tab: a browser ends with its last one.
    pub async fn close(self) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        if self.profile.driver.windows().await?.len() == 1 {
            *self.profile.first.lock().await = Some(self.profile.driver.new_window().await?);
        }
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        Ok(self.profile.driver.close_window().await?)
    }

    /// Runs `script` before any script of every page that this tab opens from now on.
    pub async fn before_every_page(&self, script: &str) -> Result<()> {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await?;
        Ok(())
    }

    /// Value of a JavaScript expression; promises are awaited.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let parameters = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let result = self.cdp("Runtime.evaluate", parameters).await?;
        if let Some(details) = result.get("exceptionDetails") {
            let said = details["exception"]["description"].as_str().or(details["text"].as_str());
            bail!("{expression}: {}", said.unwrap_or("threw"));
        }
        let value = result["result"]["value"].clone();
        serde_json::from_value(value.clone()).map_err(|error| anyhow!("{expression} gave {value}: {error}"))
    }

    /// Waits until a JavaScript expression gives something other than `null`, `false`, `""` or an exception.
    pub async fn wait<T: DeserializeOwned>(
        &self,
        what: &str,
        expression: &str,
        within: Duration,
    ) -> Result<T> {
        let end = Instant::now() + within;
        let mut last;
        loop {
            match self.eval::<Value>(expression).await {
                Ok(Value::Null | Value::Bool(false)) => last = "nothing".to_owned(),
                Ok(Value::String(text)) if text.is_empty() => last = "an empty string".to_owned(),
                Ok(value) => return serde_json::from_value(value).with_context(|| what.to_owned()),
                Err(error) => last = error.to_string(),
            }
            if Instant::now() >= end {
                bail!("{}: no {what} within {within:?}; last: {last}", self.profile.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks as a person would: the element has to be in view and uncovered.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        let element = self.profile.driver.find(By::Css(selector)).await?;
        element.scroll_into_view().await?;
        element.click().await.with_context(|| format!("clicking {selector}"))
    }

    /// Types into an element; for `input[type=file]` the text is paths, one a line.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        let element = self.profile.driver.find(By::Css(selector)).await?;
        element.send_keys(text).await.with_context(|| format!("typing into {selector}"))
    }

    /// Chooses files in an `input[type=file]`.
    pub async fn choose(&self, selector: &str, files: &[&Path]) -> Result<()> {
        let paths: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        self.type_into(selector, &paths.join("\n")).await
    }

    /// Drags files or directories over an element and drops them there.
    pub async fn drop_on(&self, selector: &str, files: &[&Path]) -> Result<()> {
        let place = format!(
            "(() => {{ const box = document.querySelector({selector:?}).getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let (x, y): (f64, f64) = self.eval(&place).await?;
        let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.cdp("Input.dispatchDragEvent", event).await?;
        }
        Ok(())
    }

    /// Answers the next file chooser that the page opens, by whatever means it is opened.
    pub async fn intercept_file_chooser(&self) -> Result<()> {
        self.cdp("Page.setInterceptFileChooserDialog", json!({ "enabled": true })).await?;
        Ok(())
    }

    /// Waits for a file chooser and chooses `files` in it.
    pub async fn answer_file_chooser(&self, files: &[&Path]) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(node) = self.profile.cdp.take_file_chooser(&self.session) {
                self.cdp("DOM.setFileInputFiles", json!({ "files": files, "backendNodeId": node })).await?;
                return Ok(());
            }
            ensure!(Instant::now() < end, "no file chooser was opened");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Presses and releases a key by its `KeyboardEvent.key`.
    pub async fn press(&self, key: &str) -> Result<()> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            " " => (32, " "),
            "Escape" => (27, ""),
            other => bail!("no code for the key {other}"),
        };
        let event = |kind: &str| {
            json!({ "type": kind, "key": key, "code": if key == " " { "Space" } else { key }, "text": text,
                "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code })
        };
        self.cdp("Input.dispatchKeyEvent", event(if text.is_empty() { "rawKeyDown" } else { "keyDown" }))
            .await?;
        let mut up = event("keyUp");
        up["text"] = "".into();
        self.cdp("Input.dispatchKeyEvent", up).await?;
        Ok(())
    }

    /// Saves what the tab shows.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let _turn = self.profile.turn.lock().await;
        self.profile.driver.switch_to_window(self.handle.clone()).await?;
        Ok(self.profile.driver.screenshot(path).await?)
    }
}
