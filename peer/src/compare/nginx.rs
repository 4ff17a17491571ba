//! nginx beside the tracker: the same files, the same certificate, the same core, for the same client.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::model::Lane;
use super::place::{Place, Processor, processor_seconds};
use super::process::{POLL, ProcessError, STARTING, free_ports, last_words, listens};

/// Ports for HTTP/1.1, for HTTP/2 in clear, and for both over TLS, in a namespace where nobody else has any.
const PORTS: [u16; 3] = [8181, 8182, 8183];

/// A running nginx; it ends with this value.
#[derive(Debug)]
pub(super) struct Nginx {
    /// Ends with this value.
    process: Child,
    pid: u32,
    addresses: [SocketAddr; 3],
    /// As it calls itself: `nginx/1.22.1`.
    pub(super) version: String,
}

impl Nginx {
    /// Starts it so that it serves `files` under `/files/`. `certificate` and `key` are the tracker's, `data` a directory
    /// of its own.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], with nginx's own words if it had any.
    pub(super) async fn start(
        place: &Place<'_>,
        files: &Path,
        certificate: &Path,
        data: &Path,
    ) -> Result<Self, ProcessError> {
        let program = || "nginx (Debian: apt install nginx-light)".to_owned();
        let failed = |error| ProcessError::Start { program: program(), error };
        std::fs::create_dir_all(data).map_err(failed)?;
        let address = place.address();
        let ports = if place.node.is_some() { PORTS } else { free_ports(address).map_err(failed)? };
        let addresses = ports.map(|port| SocketAddr::new(address, port));
        let configuration = data.join("nginx.conf");
        let text = configured(&addresses, files, certificate, data);
        std::fs::write(&configuration, text).map_err(failed)?;
        let version = version().await.map_err(failed)?;
        let errors: PathBuf = data.join("log");
        let mut command = Command::from(place.command("nginx".as_ref()));
        command.arg("-c").arg(&configuration).arg("-p").arg(data);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).map_err(failed)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = process.id().unwrap_or_default();
        let mut nginx = Self { process, pid, addresses, version };
        let end = Instant::now() + STARTING;
        // Written when it listens; until it is nginx, the process may still be in this namespace, where somebody else may.
        let is_there =
            || std::fs::read_to_string(data.join("pid")).is_ok_and(|text| text.trim() == pid.to_string());
        while !(is_there() && ports.iter().all(|port| listens(pid, *port))) {
            if matches!(nginx.process.try_wait(), Ok(Some(_))) {
                return Err(ProcessError::Ended { program: program(), said: last_words(&errors) });
            }
            if Instant::now() > end {
                return Err(ProcessError::Silent { program: program(), after: STARTING });
            }
            sleep(POLL).await;
        }
        Ok(nginx)
    }

    /// Where it serves an HTTP lane.
    pub(super) const fn address(&self, lane: Lane) -> SocketAddr {
        let [clear, h2c, tls] = self.addresses;
        match lane {
            Lane::H2c => h2c,
            Lane::Http1Tls | Lane::Http2 => tls,
            _ => clear,
        }
    }

    /// Processor time so far.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) fn processor(&self) -> io::Result<Processor> {
        processor_seconds(self.pid)
    }
}

async fn version() -> io::Result<String> {
    let output = Command::new("nginx").arg("-v").stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(said.trim().trim_start_matches("nginx version: ").to_owned())
}

/// As its documents advise for files: sendfile, no log. One process, which the core it is on could not exceed anyway: a
/// worker outlives a master that is killed.
fn configured(addresses: &[SocketAddr; 3], files: &Path, certificate: &Path, data: &Path) -> String {
    let [clear, h2c, tls] = addresses;
    let key = certificate.with_file_name("key.pem");
    let [files, certificate, key, data] =
        [files, certificate, key.as_path(), data].map(|path| path.display().to_string());
    format!(
        "daemon off;
master_process off;
pid {data}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {data}/body;
  proxy_temp_path {data}/proxy;
  fastcgi_temp_path {data}/fastcgi;
  uwsgi_temp_path {data}/uwsgi;
  scgi_temp_path {data}/scgi;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache off;
  ssl_session_tickets off;
  server {{ listen {clear}; location /files/ {{ alias {files}/; }} }}
  server {{ listen {h2c} http2; location /files/ {{ alias {files}/; }} }}
  server {{ listen {tls} ssl http2; location /files/ {{ alias {files}/; }} }}
}}
"
    )
}
