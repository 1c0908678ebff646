//! A cable that delays what goes over it, doubles some of it, and changes its order.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::{Cluster, said};
use crate::{compile_program, root};

/// What a cable does to the frames that go over it, either way.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Each arrives after so many milliseconds: at least, at most. Where these differ, some overtake others.
    pub delay: (u32, u32),
    /// One of so many arrives twice; none if it is 0.
    pub doubled: u32,
}

/// A node's cable with such a wire in it, which is taken out when this is dropped.
#[derive(Debug)]
pub struct Wired {
    child: Child,
    cable: String,
    bridge: String,
    patch: String,
}

fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", said(&output));
}

impl Cluster {
    /// Puts a wire into a node's cable: what comes from the node goes through a program of our own to the bridge, and back.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn wire(&self, node: &str, wire: Wire) -> Wired {
        let source = root().join("testing/stead-e2e/dll/wire.c");
        let program = compile_program(&source, self.folder(), "wire");
        let (bridge, number) = (format!("stl-{}", self.name), node.trim_start_matches('n'));
        let (cable, patch) = (format!("{bridge}-{number}"), format!("{bridge}w{number}"));
        let far = format!("{patch}f");
        ip(&["link", "add", &patch, "type", "veth", "peer", "name", &far]);
        ip(&["link", "set", &cable, "nomaster"]);
        // This machine itself is not to answer where the wire ends.
        ip(&["link", "set", &cable, "arp", "off"]);
        ip(&["link", "set", &patch, "up", "arp", "off"]);
        ip(&["link", "set", &far, "up", "master", &bridge]);
        let mut command = Command::new(program);
        command.args([&cable, &patch]);
        command.args([wire.delay.0, wire.delay.1, wire.doubled, 7].map(|number| number.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the wire is not there");
        Wired { child, cable, bridge, patch }
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        // It is over with the end of its input; a lab that is gone already has taken the cable with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        for words in [
            &["link", "del", &self.patch][..],
            &["link", "set", &self.cable, "arp", "on"],
            &["link", "set", &self.cable, "master", &self.bridge],
        ] {
            let _ = Command::new("ip").args(words).stderr(Stdio::null()).status();
        }
    }
}
