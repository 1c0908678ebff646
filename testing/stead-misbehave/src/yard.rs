use std::fmt::Write;
use std::time::Instant;

use serde_json::Value;
use stead_e2e::{Node, alive, stead};

use crate::{Case, Outcome, library};

/// One try more, at once, and then no other: so that a test sees the end of it.
const ONCE: &str = "RestartDelay = 0, RestartThreshold = 1, RetryPeriodOnFailure = 4294967295";

/// What must not change, whatever the others do.
#[derive(Debug, PartialEq, Eq)]
struct Innocent {
    state: String,
    process: u64,
    /// In clock ticks since boot: another process with the same number has another.
    since: String,
    node: Vec<u64>,
}

/// A cluster with one group for each hostile resource, and an innocent one.
#[derive(Debug)]
pub struct Yard {
    node: Node,
    innocent: Innocent,
    began: Instant,
}

fn start_time(process: u64) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().nth(19).unwrap_or_default().to_owned()
}

/// The configuration of a cluster with these cases.
fn config(cases: &[&Case], file: &str) -> String {
    let mut text = format!(
        "[[type]]\nname = \"Misbehave\"\ndll = {:?}\n\n[[group]]\nname = \"innocent\"\n[[group.resource]]\n\
         name = \"innocent\"\ntype = \"Generic Application\"\n\
         properties = {{ CommandLine = \"sleep infinity\" }}\n",
        library()
    );
    for case in cases {
        let name = case.name;
        let common =
            if case.common.is_empty() { ONCE.to_owned() } else { format!("{ONCE}, {}", case.common) };
        let program = stead().display().to_string();
        let file = format!("{file}-{name}");
        // What waits for itself needs to know who it is.
        let file = if name == "waits-for-itself" { name.to_owned() } else { file };
        let _ = write!(
            text,
            "\n[[group]]\nname = \"{name}\"\n[[group.resource]]\nname = \"{name}\"\ntype = \"Misbehave\"\n\
             common = {{ {common} }}\nproperties = {{ Behaviour = \"{name}\", File = {file:?}, \
             Program = {program:?}, Data = \"@DATA@\" }}\n"
        );
    }
    text
}

impl Yard {
    /// Starts a cluster with the cases of these names, of which each begins to misbehave.
    ///
    /// # Panics
    /// When a name is not in the table, or the node does not start.
    #[must_use]
    pub fn open(cases: &[&'static Case], arguments: &[&str]) -> Yard {
        let began = Instant::now();
        let first = config(&[], "");
        let node = Node::up_with(&first, arguments);
        node.wait("innocent", "Online");
        let innocent = look(&node);
        assert!(alive(innocent.process));
        let file = node.folder().join("file").display().to_string();
        let text = config(cases, &file).replace("@DATA@", &node.data().display().to_string());
        std::fs::write(node.config(), &text).unwrap();
        let output = node.run(&["apply", node.config().to_str().unwrap(), "--no-wait"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Yard { node, innocent, began }
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Everything that was written down of this: history and log.
    #[must_use]
    pub fn evidence(&self) -> String {
        let log = std::fs::read_to_string(self.node.data().join("log/node.log")).unwrap_or_default();
        format!("{}\n{log}", self.node.events().join("\n"))
    }

    /// Waits until what the table promises of a case has come about.
    ///
    /// # Panics
    /// When it does not within the time that the table gives it.
    pub fn judge(&self, case: &Case) {
        let name = case.name;
        let began = Instant::now();
        while let Err(last) = self.holds(case) {
            assert!(
                began.elapsed() < case.bound,
                "{} {name}: {}; after {:?}: {last}\n{}",
                case.number,
                case.sentence,
                began.elapsed(),
                self.about(name)
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let explained = self.node.ok(&["explain", name]);
        assert!(explained.contains(name), "{explained}");
    }

    /// The lines of the evidence that name this.
    fn about(&self, name: &str) -> String {
        let evidence = self.evidence();
        evidence.lines().filter(|line| line.contains(name)).collect::<Vec<_>>().join("\n")
    }

    fn holds(&self, case: &Case) -> Result<(), String> {
        let name = case.name;
        let resource = self.node.resource(name);
        let about = self.about(name);
        if !about.contains(case.evidence) {
            return Err(format!("no line says {:?}; the resource is {resource}", case.evidence));
        }
        let lost = about.contains("was lost") || about.contains("monitor is killed");
        let state = resource["state"].as_str().unwrap_or_default();
        let given_up = resource["why"].as_str().is_some_and(|why| why.contains("used up"));
        match case.outcome {
            Outcome::Crash if !lost => Err("no monitor was lost".to_owned()),
            Outcome::Hang if resource["last_error"]["name"] != "ERROR_RESOURCE_CALL_TIMED_OUT" => {
                Err(format!("not timed out: {resource}"))
            }
            Outcome::Failed(code)
                if state != "Failed" || !given_up || resource["last_error"]["name"] != code =>
            {
                Err(format!("not failed with {code}: {resource}"))
            }
            Outcome::Ignored if state != "Online" || lost => Err(format!("not Online as before: {resource}")),
            Outcome::Crash | Outcome::Hang | Outcome::Failed(_) | Outcome::Ignored | Outcome::Special => {
                Ok(())
            }
        }
    }

    /// Makes sure that nobody else was harmed, ends everything, and looks for what is left over.
    ///
    /// # Panics
    /// When somebody was, or something is.
    pub fn close(mut self) {
        assert_eq!(look(&self.node), self.innocent, "the innocent were harmed");
        let touched: Vec<String> =
            self.node.events().into_iter().filter(|text| text.contains("resource \"innocent\"")).collect();
        assert_eq!(touched.len(), 2, "created online and left alone: {touched:?}");
        assert_eq!(self.node.end(), 0);
        assert!(self.began.elapsed() < std::time::Duration::from_secs(120), "{:?}", self.began.elapsed());
    }
}

fn look(node: &Node) -> Innocent {
    let resource: Value = node.resource("innocent");
    let process = resource["pid"].as_u64().unwrap_or_default();
    Innocent {
        state: resource["state"].as_str().unwrap_or_default().to_owned(),
        process,
        since: start_time(process),
        node: node.processes("node"),
    }
}
