//! Chromium's own protocol beside WebDriver: sees every page and every worker, from its first line.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Message;

/// Lines kept per browser; a page that logs in a loop must not fill the memory of the tests.
const LOG_LINES: usize = 20_000;
/// How long Chromium may take to answer one command.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What is watched besides console and exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Requests and CSP issues too.
    Everything,
    /// Nothing that could cost time: for measurements.
    Little,
}

/// One thing that a page or worker said.
#[derive(Clone, Debug)]
pub struct Line {
    /// Since the connection was made.
    pub at: Duration,
    /// `page`, `worker`, `service_worker` …
    pub target: String,
    /// `console.error`, `exception`, `csp`, `log.network` …
    pub kind: String,
    /// The text.
    pub text: String,
}

/// A download as Chromium reports it.
#[derive(Clone, Debug, Default)]
pub struct Download {
    /// Name that Chromium would give the file.
    pub name: String,
    /// `inProgress`, `completed` or `canceled`.
    pub state: String,
    /// Bytes written so far.
    pub received: u64,
    /// Chromium's identifier, which is also the file's name in the downloads directory.
    pub guid: String,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<Line>,
    requests: BTreeSet<String>,
    addresses: BTreeSet<String>,
    downloads: Vec<Download>,
    /// Page targets by id.
    pages: HashMap<String, String>,
    /// Type of the target of each session.
    kinds: HashMap<String, String>,
    /// Node that the last file chooser was opened for, by session.
    choosers: HashMap<String, u64>,
}

type Answers = HashMap<u64, oneshot::Sender<Result<Value, String>>>;

#[derive(Debug)]
struct Inner {
    send: mpsc::UnboundedSender<Message>,
    next: AtomicU64,
    answers: Mutex<Answers>,
    seen: Mutex<Seen>,
    changed: watch::Sender<u64>,
    started: Instant,
    watch: Watch,
}

/// A connection to a browser.
#[derive(Clone, Debug)]
pub struct Cdp(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cdp {
    /// Connects to the browser whose `--user-data-dir` is `profile`.
    pub async fn connect(profile: &Path, watch: Watch) -> Result<Self> {
        let file = profile.join("DevToolsActivePort");
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let (port, path) = text.split_once('\n').context("DevToolsActivePort has one line, expected two")?;
        let address = format!("ws://127.0.0.1:{}{}", port.trim(), path.trim());
        let config = tokio_tungstenite::tungstenite::protocol::WebSocketConfig::default()
            .max_message_size(Some(256 << 20))
            .max_frame_size(Some(256 << 20));
        let (socket, _) = tokio_tungstenite::connect_async_with_config(&address, Some(config), true)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        let (mut sink, mut stream) = socket.split();
        let (send, mut queue) = mpsc::unbounded_channel::<Message>();
        let inner = Arc::new(Inner {
            send,
            next: AtomicU64::new(1),
            answers: Mutex::default(),
            seen: Mutex::default(),
            changed: watch::Sender::new(0),
            started: Instant::now(),
            watch,
        });
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    break;
                }
            }
        });
        let reader = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message
                    && let Ok(value) = serde_json::from_str::<Value>(&text)
                {
                    reader.receive(value);
                }
            }
            lock(&reader.answers).clear();
        });
        let cdp = Self(inner);
        cdp.call(None, "Target.setAutoAttach", cdp.0.attach_parameters()).await?;
        Ok(cdp)
    }

    /// Sends a command to a session (or to the browser) and waits for its result.
    pub async fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value> {
        let (done, answer) = oneshot::channel();
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.answers).insert(id, done);
        self.0.write(id, session, method, &parameters);
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(message))) => bail!("{method}: {message}"),
            Ok(Err(_)) => bail!("{method}: the browser closed the connection"),
            Err(_) => bail!("{method}: no answer within {ANSWER_WITHIN:?}"),
        }
    }

    /// Session of the page target `target`, which WebDriver calls a window handle.
    pub async fn page_session(&self, target: &str) -> Result<String> {
        let end = Instant::now() + Duration::from_secs(10);
        let mut changed = self.0.changed.subscribe();
        loop {
            if let Some(session) = lock(&self.0.seen).pages.get(target) {
                return Ok(session.clone());
            }
            ensure!(Instant::now() < end, "no session for the page {target} within 10 s");
            let _ = tokio::time::timeout(Duration::from_millis(200), changed.changed()).await;
        }
    }

    /// Runs `script` in every dedicated worker that there is.
    pub async fn eval_in_workers(&self, script: &str) -> Result<()> {
        let workers: Vec<String> = lock(&self.0.seen)
            .kinds
            .iter()
            .filter(|(_, kind)| *kind == "worker")
            .map(|(session, _)| session.clone())
            .collect();
        ensure!(!workers.is_empty(), "no worker to run {script} in");
        for session in workers {
            let result =
                self.call(Some(&session), "Runtime.evaluate", json!({ "expression": script })).await?;
            ensure!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        }
        Ok(())
    }

    /// Takes the node for which a session's page opened a file chooser, once it has.
    pub fn take_file_chooser(&self, session: &str) -> Option<u64> {
        lock(&self.0.seen).choosers.remove(session)
    }

    /// Everything said so far.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.0.seen).lines.clone()
    }

    /// Origins (`scheme://host:port`) that were contacted.
    pub fn contacted(&self) -> BTreeSet<String> {
        lock(&self.0.seen).requests.clone()
    }

    /// Addresses that were fetched, fragments left out.
    pub fn fetched(&self) -> BTreeSet<String> {
        lock(&self.0.seen).addresses.clone()
    }

    /// Downloads so far, the oldest first.
    pub fn downloads(&self) -> Vec<Download> {
        lock(&self.0.seen).downloads.clone()
    }
}

impl Inner {
    fn attach_parameters(&self) -> Value {
        json!({ "autoAttach": true, "flatten": true, "waitForDebuggerOnStart": self.watch == Watch::Everything })
    }

    fn write(&self, id: u64, session: Option<&str>, method: &str, parameters: &Value) {
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        // A closed browser shows as an answer that never comes.
        let _ = self.send.send(Message::text(message.to_string()));
    }

    fn post(&self, session: &str, method: &str, parameters: &Value) {
        self.write(self.next.fetch_add(1, Ordering::Relaxed), Some(session), method, parameters);
    }

    fn receive(&self, value: Value) {
        if let Some(id) = value["id"].as_u64() {
            if let Some(done) = lock(&self.answers).remove(&id) {
                let result = match value["error"]["message"].as_str() {
                    Some(message) => Err(message.to_owned()),
                    None => Ok(value["result"].clone()),
                };
                let _ = done.send(result);
            }
            return;
        }
        let session = value["sessionId"].as_str().unwrap_or_default();
        let parameters = &value["params"];
        match value["method"].as_str().unwrap_or_default() {
            "Target.attachedToTarget" => self.attached(parameters),
            "Target.detachedFromTarget" => {
                let gone = parameters["sessionId"].as_str().unwrap_or_default();
                let mut seen = lock(&self.seen);
                seen.pages.retain(|_, session| session != gone);
                seen.kinds.remove(gone);
            }
            "Browser.downloadWillBegin" => lock(&self.seen).downloads.push(Download {
                name: text(&parameters["suggestedFilename"]),
                state: "inProgress".to_owned(),
                received: 0,
                guid: text(&parameters["guid"]),
            }),
            "Browser.downloadProgress" => {
                let guid = parameters["guid"].as_str().unwrap_or_default();
                if let Some(download) =
                    lock(&self.seen).downloads.iter_mut().find(|download| download.guid == guid)
                {
                    download.state = text(&parameters["state"]);
                    download.received = parameters["receivedBytes"].as_f64().unwrap_or_default() as u64;
                }
            }
            "Runtime.consoleAPICalled" => {
                let said: Vec<String> =
                    parameters["args"].as_array().into_iter().flatten().map(argument).collect();
                let level = parameters["type"].as_str().unwrap_or_default();
                self.line(session, format!("console.{level}"), said.join(" "));
            }
            "Runtime.exceptionThrown" => {
                let details = &parameters["exceptionDetails"];
                let said = format!("{} {}", text(&details["text"]), argument(&details["exception"]));
                self.line(session, "exception".to_owned(), said);
            }
            "Log.entryAdded" => {
                let entry = &parameters["entry"];
                let kind = format!("log.{}.{}", text(&entry["source"]), text(&entry["level"]));
                self.line(session, kind, format!("{} {}", text(&entry["text"]), text(&entry["url"])));
            }
            "Audits.issueAdded" => {
                let issue = &parameters["issue"];
                if issue["code"] == "ContentSecurityPolicyIssue" {
                    let details = issue["details"]["contentSecurityPolicyIssueDetails"].to_string();
                    self.line(session, "csp".to_owned(), details);
                }
            }
            "Page.fileChooserOpened" => {
                if let Some(node) = parameters["backendNodeId"].as_u64() {
                    lock(&self.seen).choosers.insert(session.to_owned(), node);
                }
            }
            "Network.webSocketFrameSent" => self.frame(session, "ws.sent", parameters),
            "Network.webSocketFrameReceived" => self.frame(session, "ws.received", parameters),
            "Network.requestWillBeSent" => self.request(&parameters["request"]["url"]),
            "Network.webSocketCreated" => self.request(&parameters["url"]),
            _ => {}
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Everything must be on before the target runs its first line, so it waits until it is told to go on.
    fn attached(&self, parameters: &Value) {
        let session = parameters["sessionId"].as_str().unwrap_or_default();
        let kind = text(&parameters["targetInfo"]["type"]);
        {
            let mut seen = lock(&self.seen);
            if kind == "page" {
                seen.pages.insert(text(&parameters["targetInfo"]["targetId"]), session.to_owned());
            }
            seen.kinds.insert(session.to_owned(), kind);
        }
        self.post(session, "Runtime.enable", &json!({}));
        self.post(session, "Log.enable", &json!({}));
        if self.watch == Watch::Everything {
            self.post(session, "Network.enable", &json!({}));
            self.post(session, "Audits.enable", &json!({}));
            self.post(session, "Target.setAutoAttach", &self.attach_parameters());
        }
        self.post(session, "Runtime.runIfWaitingForDebugger", &json!({}));
    }

    fn line(&self, session: &str, kind: String, text: String) {
        let mut seen = lock(&self.seen);
        let target = seen.kinds.get(session).cloned().unwrap_or_default();
        if seen.lines.len() < LOG_LINES {
            seen.lines.push(Line { at: self.started.elapsed(), target, kind, text });
        }
    }

    /// The beginning of a WebSocket message: enough to see who says what to the tracker.
    fn frame(&self, session: &str, kind: &str, parameters: &Value) {
        let payload = parameters["response"]["payloadData"].as_str().unwrap_or_default();
        self.line(session, kind.to_owned(), payload.chars().take(400).collect());
    }

    fn request(&self, address: &Value) {
        let address = address.as_str().unwrap_or_default();
        let Some((scheme, rest)) = address.split_once("://") else { return };
        if matches!(scheme, "http" | "https" | "ws" | "wss") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let mut seen = lock(&self.seen);
            seen.requests.insert(format!("{scheme}://{host}"));
            if seen.addresses.len() < LOG_LINES {
                seen.addresses.insert(address.split('#').next().unwrap_or_default().to_owned());
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A console argument as a person would read it.
fn argument(value: &Value) -> String {
    match (&value["value"], value["description"].as_str()) {
        (Value::String(text), _) => text.clone(),
        (Value::Null, Some(description)) => description.to_owned(),
        (Value::Null, None) => text(&value["type"]),
        (other, _) => other.to_string(),
    }
}
