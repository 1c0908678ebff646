//! The etcd process of a managed member: its arguments, and running it for as long as a command needs it.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use stead_store_etcd::Options;

use crate::authority;
use crate::error::{Trouble, failed, refused};
use crate::file::{Member, NodeFile};
use crate::secret;
use crate::timers::Profile;

/// The folder of a managed member's database, below the data folder.
pub(crate) const FOLDER: &str = "etcd";

/// A command waits so long for a member it started.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The addresses of a member on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) client: String,
    pub(crate) peer: String,
}

/// The addresses of a member at `address`; without TLS only where that is said.
pub(crate) fn urls(address: IpAddr, ports: (u16, u16), insecure: bool) -> Result<Urls, Trouble> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(refused(format!(
            "--address {address}: it must be one address of this machine that the other nodes reach"
        )));
    }
    if ports.0 == ports.1 {
        return Err(refused(format!("--client-port and --peer-port are both {}; they must differ", ports.0)));
    }
    let scheme = if insecure { "http" } else { "https" };
    let at = |port: u16| match address {
        IpAddr::V4(address) => format!("{scheme}://{address}:{port}"),
        IpAddr::V6(address) => format!("{scheme}://[{address}]:{port}"),
    };
    Ok(Urls { client: at(ports.0), peer: at(ports.1) })
}

/// The program of a member.
pub(crate) fn program(binary: Option<&Path>) -> PathBuf {
    binary.map_or_else(|| PathBuf::from("etcd"), Path::to_owned)
}

/// Refuses an etcd that is not there.
pub(crate) fn check_program(binary: Option<&Path>) -> Result<(), Trouble> {
    let program = program(binary);
    let ran = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match ran {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(refused(format!("{} --version ended with {status}; is it etcd?", program.display())))
        }
        Err(error) => Err(refused(format!(
            "the program {} cannot be run: {error}; install it (Debian: apt-get install etcd-server), or name it \
             with --etcd-binary",
            program.display()
        ))),
    }
}

/// What etcd is started with. It is told everything, so that nothing in the environment has a say.
pub(crate) fn command(file: &NodeFile, member: &Member, data: &Path) -> Command {
    let mut command = Command::new(program(member.binary.as_deref()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    command.args(["--name", &member.name]).arg("--data-dir").arg(data.join(&member.data));
    for (flag, url) in [
        ("--listen-client-urls", &member.client_url),
        ("--advertise-client-urls", &member.client_url),
        ("--listen-peer-urls", &member.peer_url),
        ("--initial-advertise-peer-urls", &member.peer_url),
    ] {
        command.args([flag, url]);
    }
    command.args(["--initial-cluster", &member.initial_cluster]);
    command.args(["--initial-cluster-token", &file.cluster.id]);
    command.args(["--initial-cluster-state", if member.existing { "existing" } else { "new" }]);
    // Without a vote before the vote, a member that comes back disturbs the leader.
    command.args(["--pre-vote=true", "--logger", "zap", "--log-level", "warn"]);
    // History is of no use to stead, which lists anew after a compaction.
    command.args(["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"]);
    let (heartbeat, election) = match file.timers().profile {
        Some(Profile::Fast) => ("50", "500"),
        Some(Profile::Default) | None => ("100", "1000"),
        Some(Profile::Patient) => ("300", "3000"),
    };
    command.args(["--heartbeat-interval", heartbeat, "--election-timeout", election]);
    if let (Some(ca), Some(certificate), Some(key)) = (&file.etcd.ca, &file.etcd.certificate, &file.etcd.key)
    {
        if member.client_url.starts_with("https://") {
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(data.join(ca));
            command.arg("--cert-file").arg(data.join(certificate)).arg("--key-file").arg(data.join(key));
        }
        if member.peer_url.starts_with("https://") {
            command.arg("--peer-client-cert-auth").arg("--peer-trusted-ca-file").arg(data.join(ca));
            command.arg("--peer-cert-file").arg(data.join(certificate));
            command.arg("--peer-key-file").arg(data.join(key));
        }
    }
    command
}

/// A member that a command runs while no guardian does.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start(file: &NodeFile, member: &Member, data: &Path) -> Result<Self, Trouble> {
        let log = data.join("log/etcd.log");
        secret::folder(&data.join("log"))?;
        secret::folder(&data.join(&member.data))?;
        let wrong = |error: std::io::Error| failed(format!("{}: {error}", log.display()));
        let out = File::options().create(true).append(true).mode(0o600).open(&log).map_err(wrong)?;
        let mut command = command(file, member, data);
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(wrong)?).stderr(out);
        let child = command.spawn().map_err(|error| failed(format!("etcd could not be started: {error}")))?;
        Ok(Running { child, log })
    }

    /// Why it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Trouble> {
        let status = self.child.try_wait().ok().flatten()?;
        let mut text = String::new();
        let _ = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text));
        let last = text.lines().next_back().unwrap_or_default();
        Some(failed(format!("etcd ended ({status}): {last}; see {}", self.log.display())))
    }
}

impl Drop for Running {
    /// Ends it in order: what it has acknowledged is on disk either way.
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Runs `work` with options that are patient enough for a member that was just started, and says why if that one ended.
pub(crate) fn with_member<T>(
    (file, member, data): (&NodeFile, &Member, &Path),
    options: Options,
    work: impl FnOnce(Options) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut running = Running::start(file, member, data)?;
    let result = work(Options { deadline: PATIENCE, ..options });
    match result {
        Ok(done) => Ok(done),
        Err(error) => Err(running.ended().unwrap_or(error)),
    }
}

/// The part of the file about TLS of a managed member.
pub(crate) fn paths(endpoints: Vec<String>, insecure: bool) -> crate::file::Etcd {
    let path = |path: &str| (!insecure).then(|| PathBuf::from(path));
    crate::file::Etcd {
        endpoints,
        ca: path(authority::CA),
        certificate: path(authority::CERTIFICATE),
        key: path(authority::KEY),
        user: None,
        password_file: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_others_cannot_use_are_refused() {
        let good = urls("10.0.0.1".parse().unwrap(), (2379, 2380), false).unwrap();
        assert_eq!(
            (good.client.as_str(), good.peer.as_str()),
            ("https://10.0.0.1:2379", "https://10.0.0.1:2380")
        );
        let v6 = urls("fd00::1".parse().unwrap(), (1, 2), true).unwrap();
        assert_eq!(v6.client, "http://[fd00::1]:1");
        for (address, ports) in
            [("0.0.0.0", (1, 2)), ("::", (1, 2)), ("224.0.0.1", (1, 2)), ("10.0.0.1", (1, 1))]
        {
            assert!(urls(address.parse().unwrap(), ports, false).is_err(), "{address}");
        }
    }

    #[test]
    fn an_etcd_that_is_not_there_is_refused_with_its_package() {
        let told = check_program(Some(Path::new("/absent/etcd"))).unwrap_err().to_string();
        assert!(told.contains("/absent/etcd") && told.contains("apt-get install etcd-server"), "{told}");
    }
}
