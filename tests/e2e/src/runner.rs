//! Runs tests one after the other (two cores, real browsers), a line each, and keeps what a failed one leaves behind.

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use tempfile::TempDir;

use crate::browser::{Driver, Options, Profile};
use crate::netns::{self, Network};
use crate::site::Site;
use crate::tracker::{self, Tracker};
use crate::{files, foreign, peer, stock, target};

/// What a test is.
pub type Body = Box<dyn Fn(Arc<Context>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>>;

/// One test.
pub struct Test {
    name: &'static str,
    body: Body,
    within: Duration,
}

impl Test {
    /// A test that has three minutes.
    pub fn new<F, R>(name: &'static str, body: F) -> Self
    where
        F: Fn(Arc<Context>) -> R + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let body: Body = Box::new(move |context| Box::pin(body(context)));
        Self { name, body, within: Duration::from_secs(180) }
    }

    /// The same with more time.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }
}

/// Says that a test cannot run here, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// What a test has to work with. Browsers and trackers that it started end with it.
#[derive(Debug)]
pub struct Context {
    driver: Arc<Driver>,
    site: Arc<Site>,
    network: Network,
    scratch: TempDir,
    kept: PathBuf,
    profiles: Mutex<Vec<Arc<Profile>>>,
    /// Trackers run on until the artifacts of a failure are saved, or every page would show a lost tracker.
    trackers: Mutex<Vec<tracker::Process>>,
    tolerated: Mutex<Vec<String>>,
}

impl Context {
    /// A browser with a fresh profile.
    pub async fn profile(&self, name: &str) -> Result<Arc<Profile>> {
        self.profile_with(name, &Options::default()).await
    }

    /// A browser with a fresh profile, started in a given way.
    pub async fn profile_with(&self, name: &str, options: &Options) -> Result<Arc<Profile>> {
        let profile = Profile::start(&self.driver, name, options, self.scratch.path()).await?;
        self.profiles().push(Arc::clone(&profile));
        Ok(profile)
    }

    /// A tracker on loopback.
    pub async fn tracker(&self) -> Result<Tracker> {
        self.tracker_with(&tracker::Options::default()).await
    }

    /// A tracker started in a given way.
    pub async fn tracker_with(&self, options: &tracker::Options) -> Result<Tracker> {
        let tracker = Tracker::start(options, self.scratch.path()).await?;
        self.trackers.lock().unwrap_or_else(PoisonError::into_inner).push(tracker.process());
        Ok(tracker)
    }

    /// A file of random bytes under a path inside the test's directory; gives its path and SHA-256.
    pub fn file(&self, name: &str, length: u64, seed: u64) -> Result<(PathBuf, String)> {
        let path = self.scratch.path().join("files").join(name);
        let hash = files::write_random(&path, length, seed)?;
        Ok((path, hash))
    }

    /// Origin of the harness's own pages.
    pub fn site(&self) -> &str {
        self.site.origin()
    }

    /// The test's directory.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Where to put what should outlive the test.
    pub fn kept(&self) -> Result<&Path> {
        std::fs::create_dir_all(&self.kept)?;
        Ok(&self.kept)
    }

    /// Address on the LAN.
    ///
    /// # Errors
    /// [`Skip`] on the host's own network.
    pub fn lan(&self) -> Result<&'static str> {
        match self.network {
            Network::Own => Ok(netns::LAN_ADDRESS),
            Network::Host => bail!(Skip("needs a network namespace of its own".to_owned())),
        }
    }

    /// From now on, what a page says with these words in it does not fail the test.
    pub fn tolerate(&self, words: &str) {
        self.tolerated.lock().unwrap_or_else(PoisonError::into_inner).push(words.to_owned());
    }

    fn profiles(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Profile>>> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What no test may see, apart from what is tolerated: CSP violations, panics, exceptions nobody caught, strangers contacted.
    pub fn misbehaviour(&self) -> Vec<String> {
        let tolerated = self.tolerated.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut found = Vec::new();
        for profile in self.profiles().iter() {
            for line in profile.cdp().lines() {
                let bad = matches!(line.kind.as_str(), "csp" | "exception")
                    || line.text.contains("Content Security Policy")
                    || line.text.contains("panicked at");
                if bad && !tolerated.iter().any(|words| line.text.contains(words.as_str())) {
                    found.push(format!("{} {} {}: {}", profile.name(), line.target, line.kind, line.text));
                }
            }
            for origin in profile.cdp().contacted() {
                let stranger = !is_local(&origin);
                if stranger && !tolerated.iter().any(|words| origin.contains(words.as_str())) {
                    found.push(format!("{} contacted {origin}", profile.name()));
                }
            }
        }
        found
    }

    async fn save_artifacts(&self) {
        let Ok(kept) = self.kept().map(Path::to_owned) else { return };
        let profiles: Vec<_> = self.profiles().clone();
        for profile in profiles {
            match tokio::time::timeout(Duration::from_secs(20), profile.save_artifacts(&kept)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    println!("       (artifacts of {} are incomplete: {error})", profile.name())
                }
                Err(_) => println!("       (artifacts of {} took too long)", profile.name()),
            }
        }
        for entry in std::fs::read_dir(self.scratch.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                std::fs::copy(entry.path(), kept.join(entry.file_name())).ok();
            }
        }
    }

    async fn quit(&self) {
        let profiles: Vec<_> = self.profiles().drain(..).collect();
        for profile in profiles {
            profile.quit().await;
        }
    }
}

/// Loopback and the addresses of a LAN: all that a test may contact.
fn is_local(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

/// Browser tests: the page, the tracker and stock WebTorrent in real Chromium.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run only tests whose name contains one of these.
    filters: Vec<String>,
    /// List the tests and stop.
    #[arg(long)]
    list: bool,
    /// Run on this machine's own network.
    #[arg(long)]
    no_netns: bool,
    /// Keep screenshots and logs of tests that pass, too.
    #[arg(long)]
    keep: bool,
    /// Run every test this many times.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Accepted for cargo's sake.
    #[arg(long, hide = true)]
    nocapture: bool,
}

/// Main function of a test program.
pub fn main(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |test: &Test| {
        arguments.filters.is_empty() || arguments.filters.iter().any(|part| test.name.contains(part.as_str()))
    };
    let tests: Vec<Test> = tests.into_iter().filter(wanted).collect();
    if tests.is_empty() {
        eprintln!("error: no test has a name with {:?} in it; see --list", arguments.filters);
        return ExitCode::FAILURE;
    }
    if arguments.list {
        tests.iter().for_each(|test| println!("{}", test.name));
        return ExitCode::SUCCESS;
    }
    let prepared = Tracker::executable()
        .and_then(|_| peer::executable())
        .and_then(|_| foreign::install_libtorrent())
        .and_then(|()| stock::install());
    let webtorrent = match prepared {
        Ok(path) => path,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let network = if arguments.no_netns { Network::Host } else { netns::enter() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let all = run_all(&tests, &arguments, network, webtorrent);
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = all => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_all(
    tests: &[Test],
    arguments: &Arguments,
    network: Network,
    webtorrent: PathBuf,
) -> Result<bool> {
    let driver = Arc::new(Driver::start().await?);
    let site = Arc::new(Site::start(webtorrent).await?);
    let scratch = target::artifacts()?.join("tmp");
    std::fs::create_dir_all(&scratch)?;
    let (mut passed, mut failed, mut skipped) = (0_u32, Vec::new(), 0_u32);
    for test in tests.iter().flat_map(|test| std::iter::repeat_n(test, arguments.repeat as usize)) {
        let kept = target::artifacts()?.join(test.name);
        std::fs::remove_dir_all(&kept).ok();
        let context = Arc::new(Context {
            driver: Arc::clone(&driver),
            site: Arc::clone(&site),
            network,
            scratch: tempfile::Builder::new().prefix(test.name).tempdir_in(&scratch)?,
            kept,
            profiles: Mutex::default(),
            trackers: Mutex::default(),
            tolerated: Mutex::default(),
        });
        let started = Instant::now();
        let result = run_one(test, &context).await;
        let took = started.elapsed().as_secs_f64();
        match &result {
            Ok(()) => {
                println!("ok     {:45} {took:7.1} s", test.name);
                passed += 1;
            }
            Err(error) if error.is::<Skip>() => {
                println!("skip   {:45} {error}", test.name);
                skipped += 1;
            }
            Err(error) => {
                println!("FAILED {:45} {took:7.1} s\n       {error:#}", test.name);
                failed.push(test.name);
            }
        }
        if arguments.keep || result.is_err_and(|error| !error.is::<Skip>()) {
            context.save_artifacts().await;
        }
        context.quit().await;
    }
    println!("\n{passed} passed, {} failed, {skipped} skipped", failed.len());
    if !failed.is_empty() {
        println!("failed: {}; screenshots and logs: {}", failed.join(", "), target::artifacts()?.display());
    }
    Ok(failed.is_empty())
}

async fn run_one(test: &Test, context: &Arc<Context>) -> Result<()> {
    // A task of its own, so that a panic is one test's failure.
    let mut task = tokio::spawn((test.body)(Arc::clone(context)));
    match tokio::time::timeout(test.within, &mut task).await {
        Ok(Ok(result)) => result?,
        Ok(Err(error)) => bail!("panicked: {error}"),
        Err(_) => {
            task.abort();
            bail!("not done within {:?}", test.within)
        }
    }
    let misbehaviour = context.misbehaviour();
    if !misbehaviour.is_empty() {
        bail!("the test passed, but:\n       {}", misbehaviour.join("\n       "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_and_its_lan_are_local() {
        for origin in
            ["http://127.0.0.1:80", "ws://localhost:8080", "https://10.77.0.1:8443", "http://[::1]:8080"]
        {
            assert!(is_local(origin), "{origin}");
        }
        for origin in ["https://example.org", "http://8.8.8.8:80", "wss://tracker.example:443"] {
            assert!(!is_local(origin), "{origin}");
        }
    }
}
