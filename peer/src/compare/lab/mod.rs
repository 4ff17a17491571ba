//! A network of our own: each side in a network namespace, joined by links that carry what a real wire would.
//!
//! A namespace lives as long as the process that holds it, a `cat` whose input is a pipe from here: however this program
//! ends, killed included, the pipe closes and namespaces, links and shaping are gone. Nothing of the host's network is
//! touched, and nothing can leave: there is no way from these links to any other.

pub mod counters;
pub mod shaping;

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use self::counters::Counters;
use self::shaping::Shaping;
use super::wire::MTU;

/// Name of the interface in every namespace but the switch's.
pub const INTERFACE: &str = "wire";

/// Most nodes beside the first, so that addresses fit into one network of /24 with room.
pub const NODES_MAX: u32 = 64;

/// Offloads that make one frame of many: with them a virtual link counts frames of 64 KiB that no wire carries.
const OFFLOADS: [&str; 10] =
    ["tso", "off", "gso", "off", "gro", "off", "lro", "off", "tx-udp-segmentation", "off"];

/// Why there is no network of our own.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program is not installed.
    #[error("{program} is not installed (Debian: apt install {package})")]
    Missing {
        /// The program.
        program: String,
        /// Debian's package.
        package: &'static str,
    },
    /// This user may not make namespaces.
    #[error("network namespaces need root or user namespaces ({0})")]
    Rights(String),
    /// A command failed that should not.
    #[error("`{command}` failed: {message} (--no-namespaces does without)")]
    Command {
        /// As it would be typed.
        command: String,
        /// What it said, one line.
        message: String,
    },
    /// A process could not be started or read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A process that keeps a namespace alive.
#[derive(Debug)]
struct Holder {
    process: Child,
    /// Closing it ends the process.
    input: Option<ChildStdin>,
}

impl Holder {
    /// Starts `command` (which ends in `cat`) and waits until the namespace is there.
    fn start(mut command: Command) -> Result<Self, LabError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| missing(&command, error))?;
        let input = process.stdin.take();
        let mut holder = Self { process, input };
        let written = holder.input.as_mut().map(|input| input.write_all(b"\n"));
        let mut echo = [0];
        let output = holder.process.stdout.as_mut();
        let is_there = output.is_some_and(|output| matches!(output.read(&mut echo), Ok(1)));
        if is_there && matches!(written, Some(Ok(()))) {
            return Ok(holder);
        }
        holder.input = None;
        let mut said = String::new();
        if let Some(errors) = holder.process.stderr.as_mut() {
            errors.read_to_string(&mut said)?;
        }
        Err(LabError::Rights(one_line(&said)))
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.input = None;
        // It ends by itself; waiting leaves no zombie and makes sure that the namespace is gone.
        let _ = self.process.wait();
    }
}

/// One namespace with one address.
#[derive(Debug)]
pub struct Node {
    holder: Holder,
    /// Process in whose user namespace this one is, if it is not ours.
    user: Option<u32>,
    address: Ipv4Addr,
}

impl Node {
    fn start(user: Option<u32>, address: Ipv4Addr) -> Result<Self, LabError> {
        let mut command = match user {
            Some(user) => {
                let mut command = Command::new("nsenter");
                command.args([
                    "--target",
                    &user.to_string(),
                    "--user",
                    "--preserve-credentials",
                    "--",
                    "unshare",
                ]);
                command
            }
            None => Command::new("unshare"),
        };
        command.args(["--net", "--", "cat"]);
        let node = Self { holder: Holder::start(command)?, user, address };
        // Without IPv6 nothing but ARP is on the link unasked. Routes' memory of earlier transfers would let one run
        // have a start that another had not.
        let settings = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; \
                        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; \
                        echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save";
        node.run("sh", &["-c", settings])?;
        node.run("ip", &["link", "set", "lo", "up"])?;
        Ok(node)
    }

    /// Its address on the link.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A command that runs `program` inside and is killed when the thread that starts it ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net"]);
        if self.user.is_some() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--", "setpriv", "--pdeathsig", "KILL", "--"]).arg(program);
        command
    }

    /// What the kernel has counted here so far.
    ///
    /// # Errors
    ///
    /// The kernel's files cannot be read.
    pub fn counters(&self) -> io::Result<Counters> {
        Counters::read(self.holder.pid(), INTERFACE)
    }

    /// Runs a command inside to its end, and returns what it wrote.
    ///
    /// # Errors
    ///
    /// It cannot be started or fails; with its own words.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, LabError> {
        let mut command = self.command(program);
        command.args(arguments);
        run(command, program, arguments)
    }

    fn up(&self) -> Result<(), LabError> {
        let address = format!("{}/24", self.address);
        self.run("ip", &["address", "add", &address, "dev", INTERFACE])?;
        let mtu = MTU.to_string();
        self.run("ip", &["link", "set", INTERFACE, "mtu", &mtu, "up"])?;
        self.switch_offloads_off(INTERFACE)
    }

    fn switch_offloads_off(&self, interface: &str) -> Result<(), LabError> {
        let mut arguments = vec!["-K", interface];
        arguments.extend(OFFLOADS);
        match self.run("ethtool", &arguments) {
            // One segment at a time is as good for TCP, and needs nothing installed.
            Err(LabError::Missing { .. }) => {
                self.run("ip", &["link", "set", interface, "gso_max_segs", "1"]).map(drop)
            }
            result => result.map(drop),
        }
    }
}

/// Namespaces and the links between them.
#[derive(Debug)]
pub struct Lab {
    nodes: Vec<Node>,
    /// Joins the nodes if there are more than two. After them: links go with either end.
    _switch: Option<Node>,
    _user: Option<Holder>,
}

impl Lab {
    /// Two nodes and a wire: node 0 is the server's side.
    ///
    /// # Errors
    ///
    /// [`LabError`], whose text says what is missing.
    pub fn pair() -> Result<Self, LabError> {
        let user = user_namespace()?;
        let pid = user.as_ref().map(Holder::pid);
        let nodes = vec![Node::start(pid, address(1))?, Node::start(pid, address(2))?];
        let other = nodes[1].holder.pid().to_string();
        let add = ["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", &other];
        nodes[0].run("ip", &add)?;
        for node in &nodes {
            node.up()?;
        }
        Ok(Self { nodes, _switch: None, _user: user })
    }

    /// A server (node 0) and `receivers` on a switch, each with the rates of its own line.
    ///
    /// # Errors
    ///
    /// [`LabError`], whose text says what is missing.
    pub fn star(receivers: u32, server: Shaping, receiver: Shaping) -> Result<Self, LabError> {
        let user = user_namespace()?;
        let pid = user.as_ref().map(Holder::pid);
        let switch = Node::start(pid, address(254))?;
        switch.run("ip", &["link", "add", "switch", "type", "bridge"])?;
        switch.run("ip", &["link", "set", "switch", "up"])?;
        let mut nodes = Vec::new();
        for number in 0..=receivers.min(NODES_MAX) {
            let node = Node::start(pid, address(number as u8 + 1))?;
            let (port, inside) = (format!("port{number}"), node.holder.pid().to_string());
            let add = ["link", "add", &port, "type", "veth", "peer", "name", INTERFACE, "netns", &inside];
            switch.run("ip", &add)?;
            switch.run("ip", &["link", "set", &port, "mtu", &MTU.to_string(), "master", "switch", "up"])?;
            switch.switch_offloads_off(&port)?;
            node.up()?;
            let shaping = if number == 0 { server } else { receiver };
            node.run("tc", &strs(&shaping::tbf(INTERFACE, shaping.up)))?;
            switch.run("tc", &strs(&shaping::tbf(&port, shaping.down)))?;
            nodes.push(node);
        }
        Ok(Self { nodes, _switch: Some(switch), _user: user })
    }

    /// The server's side.
    pub fn server(&self) -> &Node {
        &self.nodes[0]
    }

    /// The receivers' sides; one of a pair.
    pub fn clients(&self) -> &[Node] {
        &self.nodes[1..]
    }
}

/// Addresses of this network, which no other can reach.
fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host)
}

/// `None` if this user may make network namespaces as it is; else a user namespace in which it may.
fn user_namespace() -> Result<Option<Holder>, LabError> {
    let mut plain = Command::new("unshare");
    plain.args(["--net", "--", "cat"]);
    match Holder::start(plain) {
        Ok(_) => return Ok(None),
        Err(LabError::Rights(_)) => {}
        Err(other) => return Err(other),
    }
    let mut mapped = Command::new("unshare");
    mapped.args(["--user", "--map-root-user", "--", "cat"]);
    Holder::start(mapped).map(Some)
}

fn run(mut command: Command, program: &str, arguments: &[&str]) -> Result<String, LabError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| missing(&command, error))?;
    let Output { status, stdout, stderr } = output;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).trim().to_owned());
    }
    let said = one_line(&String::from_utf8_lossy(&stderr));
    // `setpriv` tries to start it, and says what became of that.
    if said.contains("No such file or directory") && said.contains("failed to execute") {
        return Err(LabError::Missing { program: program.to_owned(), package: package(program) });
    }
    let command = std::iter::once(program).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" ");
    Err(LabError::Command { command, message: said })
}

fn missing(command: &Command, error: io::Error) -> LabError {
    if error.kind() == io::ErrorKind::NotFound {
        let program = command.get_program().to_string_lossy().into_owned();
        let package = package(&program);
        LabError::Missing { program, package }
    } else {
        LabError::Io(error)
    }
}

fn package(program: &str) -> &'static str {
    match program {
        "ip" | "tc" => "iproute2",
        "ethtool" => "ethtool",
        "sh" => "dash",
        _ => "util-linux",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn strs(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = missing(&Command::new("tc"), io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.to_string(), "tc is not installed (Debian: apt install iproute2)");
    }

    #[test]
    fn without_rights_it_says_so_in_one_line() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'unshare: unshare failed:\n  Operation not permitted' >&2"]);
        let error = Holder::start(command).unwrap_err().to_string();
        assert!(error.starts_with("network namespaces need root or user namespaces"), "{error}");
        assert!(error.contains("Operation not permitted") && !error.contains('\n'), "{error}");
    }
}
