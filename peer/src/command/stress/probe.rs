//! How long a tracker takes to answer while everybody is at it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Limited};
use parking_lot::Mutex;
use shared::id::InfoHash;
use shared::limits;
use shared::tracker::http::{parse_scrape_reply, scrape_url};
use shared::tracker::ws::{ClientMessage, ServerMessage};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::command::http;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(250);

/// A question without an answer after this long has none.
const WITHIN: Duration = Duration::from_secs(10);

/// Replies of which the time is kept.
const KEPT: usize = 100_000;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    /// How long each reply took.
    pub(super) replies: Vec<Duration>,
    /// Questions without one.
    pub(super) failures: u64,
}

/// Asks a tracker how many members the swarm has, again and again.
pub(super) struct Probe {
    task: Option<JoinHandle<()>>,
    latency: Arc<Mutex<Latency>>,
}

impl Probe {
    /// Asks the first of the trackers that is asked over HTTP or a WebSocket; a UDP tracker is not measured.
    pub(super) fn start(trackers: &[String], torrent: InfoHash) -> Self {
        let latency = Arc::new(Mutex::new(Latency::default()));
        let asked = trackers.iter().find(|tracker| !tracker.starts_with("udp:")).cloned();
        let task = asked.map(|tracker| {
            let latency = Arc::clone(&latency);
            tokio::spawn(async move {
                loop {
                    let ended = if tracker.starts_with("ws") {
                        ask_socket(&tracker, torrent, &latency).await
                    } else {
                        ask_http(&tracker, torrent, &latency).await
                    };
                    if let Err(error) = ended {
                        tracing::debug!("probe of {tracker}: {error:#}");
                        latency.lock().failures += 1;
                    }
                    tokio::time::sleep(EVERY).await;
                }
            })
        });
        Self { task, latency }
    }

    /// Asks no more; answers what was measured.
    pub(super) fn stop(self) -> Latency {
        if let Some(task) = self.task {
            task.abort();
        }
        std::mem::take(&mut self.latency.lock())
    }
}

/// Asks over one socket until something is wrong with it.
async fn ask_socket(tracker: &str, torrent: InfoHash, latency: &Mutex<Latency>) -> anyhow::Result<()> {
    let connected = tokio::time::timeout(WITHIN, tokio_tungstenite::connect_async(tracker));
    let (mut socket, _) = connected.await.context("no connection in time")??;
    let question = ClientMessage::Scrape(vec![torrent]).to_json();
    loop {
        let asked = Instant::now();
        socket.send(Message::text(question.clone())).await?;
        tokio::time::timeout(WITHIN, async {
            while let Some(message) = socket.next().await {
                let Message::Text(text) = message? else { continue };
                match ServerMessage::parse(&text) {
                    Ok(ServerMessage::Scraped { .. }) => return anyhow::Ok(()),
                    Ok(ServerMessage::Failure { reason, .. }) => bail!("refused: {reason}"),
                    _ => {}
                }
            }
            bail!("closed")
        })
        .await
        .context("no reply in time")??;
        latency.lock().took(asked.elapsed());
        tokio::time::sleep(EVERY).await;
    }
}

async fn ask_http(tracker: &str, torrent: InfoHash, latency: &Mutex<Latency>) -> anyhow::Result<()> {
    let url = scrape_url(tracker, &[torrent]).context("its URL has no place for scrapes")?;
    let asked = Instant::now();
    // The tracker was typed, wherever it is.
    let response = http::get(&url, true, &[]).await?;
    let body = Limited::new(response.body, limits::TRACKER_MESSAGE_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    parse_scrape_reply(&body)?;
    latency.lock().took(asked.elapsed());
    Ok(())
}

impl Latency {
    fn took(&mut self, time: Duration) {
        if self.replies.len() < KEPT {
            self.replies.push(time);
        }
    }

    /// The reply that so many hundredths of them were no slower than.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.replies.clone();
        sorted.sort();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((last * percent).div_ceil(100)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_replies_that_were_made() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile(50), None);
        (1..=101).rev().for_each(|ms| latency.took(Duration::from_millis(ms)));
        assert_eq!(latency.percentile(50), Some(Duration::from_millis(51)));
        assert_eq!(latency.percentile(99), Some(Duration::from_millis(100)));
        assert_eq!(latency.percentile(100), Some(Duration::from_millis(101)));
    }
}
