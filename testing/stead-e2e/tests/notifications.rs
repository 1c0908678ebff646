//! mscs/resource-control-codes, mscs/resource-type-control-codes: what resource DLLs are told and asked by control code.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use stead_e2e::{Node, compile, kill, root, until};

const ADD_DEPENDENCY: &str = "01500012";
const REMOVE_DEPENDENCY: &str = "01500016";
const ADD_OWNER: &str = "0150001a";
const REMOVE_OWNER: &str = "0150001e";
const QUERY_DELETE: &str = "010001b9";
const TYPE_QUERY_DELETE: &str = "020001b9";
const DELETE: &str = "01500006";
const REASON: &str = "0150004e";
const PROVIDER: &str = "01500052";
const SHUTTING_DOWN: &str = "02100081";

struct Recorder {
    _folder: tempfile::TempDir,
    dll: PathBuf,
}

impl Recorder {
    fn new() -> Recorder {
        let folder = tempfile::tempdir().unwrap();
        let source = root().join("testing/stead-e2e/dll/notices.c");
        let dll = compile(&source, folder.path(), "notices.so", &[]);
        Recorder { _folder: folder, dll }
    }

    fn beside(&self, end: &str) -> PathBuf {
        PathBuf::from(format!("{}{end}", self.dll.display()))
    }

    /// From now on these codes are answered so.
    fn answers(&self, answers: &str) {
        fs::write(self.beside(".answers"), answers).unwrap();
    }

    fn forget(&self) {
        let _ = fs::remove_file(self.beside(".log"));
    }

    /// The lines with any of these words, in order.
    fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = fs::read_to_string(self.beside(".log")).unwrap_or_default();
        let told = text.lines().filter(|line| line.split(' ').any(|word| words.contains(&word)));
        told.map(|line| line.trim_end().to_owned()).collect()
    }

    fn node(&self, resources: &str) -> Node {
        Node::up(&config(&self.dll, resources))
    }
}

fn config(dll: &Path, resources: &str) -> String {
    format!("[[type]]\nname = \"Notices\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n{resources}", dll.display())
}

fn resource(name: &str, depends_on: &str) -> String {
    format!(
        "[[group.resource]]\nname = \"{name}\"\ntype = \"Notices\"\ndepends_on = \"{depends_on}\"\n\
         common = {{ RestartDelay = 0 }}\n"
    )
}

fn application(name: &str) -> String {
    format!(
        "[[group.resource]]\nname = \"{name}\"\ntype = \"Generic Application\"\n\
         common = {{ RestartDelay = 0 }}\nproperties = {{ CommandLine = \"sleep infinity\" }}\n"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wide(name: &str) -> String {
    hex(&name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

/// A `CLUSCTL_RESOURCE_STATE_CHANGE_REASON_STRUCT`.
fn reason(reason: u32) -> String {
    hex(&[12, 1, reason].map(u32::to_le_bytes).concat())
}

/// A `CLUS_PROVIDER_STATE_CHANGE_INFO`.
fn provider(name: &str, state: u32) -> String {
    let size = u32::try_from(8 + 2 * (name.len() + 1)).unwrap();
    format!("{}{}", hex(&[size, state].map(u32::to_le_bytes).concat()), wide(name))
}

#[test]
fn why_a_state_changes_comes_right_before_offline_and_terminate() {
    const UNKNOWN: u32 = 0;
    const SHUTDOWN: u32 = 4;
    let recorder = Recorder::new();
    let mut node = recorder.node(&resource("r", ""));
    node.wait("r", "Online");
    let told = |recorder: &Recorder| recorder.lines(&[REASON, "Offline", "Terminate"]);
    node.ok(&["resource", "offline", "r"]);
    assert_eq!(told(&recorder), [format!("r {REASON} {}", reason(UNKNOWN)), "r Offline".to_owned()]);

    node.ok(&["resource", "online", "r"]);
    recorder.forget();
    node.ok(&["resource", "fail", "r"]);
    until("it has been restarted", || (recorder.lines(&["Online"]).len() == 1).then_some(()));
    assert_eq!(told(&recorder), [format!("r {REASON} {}", reason(UNKNOWN)), "r Terminate".to_owned()]);

    node.wait("r", "Online");
    recorder.forget();
    // A refusal changes nothing.
    recorder.answers(&format!("{REASON} 5\n"));
    assert_eq!(node.end(), 0);
    assert_eq!(told(&recorder), [format!("r {REASON} {}", reason(SHUTDOWN)), "r Offline".to_owned()]);
    // Its type is told last: RESTYPE_MONITOR_SHUTTING_DOWN_NODE_STOP.
    let last = recorder.lines(&["Close", SHUTTING_DOWN]);
    assert_eq!(last, ["r Close".to_owned(), format!("type {SHUTTING_DOWN} 01000000")]);
}

#[test]
fn dependents_hear_what_becomes_of_their_provider() {
    let recorder = Recorder::new();
    let mut node = recorder.node(&(application("app") + &resource("a", "") + &resource("r", "[app] or [a]")));
    node.wait("r", "Online");
    node.wait("a", "Online");
    recorder.forget();
    node.ok(&["resource", "offline", "a"]);
    node.ok(&["resource", "online", "a"]);
    let expected = [130u32, 3, 129, 2].map(|state| format!("r {PROVIDER} {}", provider("a", state)));
    until("it has heard everything", || (recorder.lines(&[PROVIDER]).len() == 4).then_some(()));
    assert_eq!(recorder.lines(&[PROVIDER]), expected);
    // One that does not ask for it hears nothing: the provider has no provider.
    assert!(recorder.lines(&["a"]).iter().all(|line| !line.contains(PROVIDER)));
    // What a DLL answers changes nothing.
    recorder.answers(&format!("{PROVIDER} 1117\n"));
    recorder.forget();
    kill(node.pid("app"));
    until("the failure is told", || {
        let failed = format!("r {PROVIDER} {}", provider("app", 4));
        recorder.lines(&[PROVIDER]).contains(&failed).then_some(())
    });
    node.wait("app", "Online");
    assert_eq!(node.state("r"), "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn dependencies_change_only_if_the_dll_agrees() {
    let recorder = Recorder::new();
    let set = |depends_on: &str| {
        config(&recorder.dll, &(application("x") + &application("y") + &resource("r", depends_on)))
    };
    let mut node = Node::up(&set("[x]"));
    node.wait("r", "Online");
    recorder.forget();
    assert!(node.apply(&set("[y]")).status.success());
    let told = |recorder: &Recorder| recorder.lines(&[ADD_DEPENDENCY, REMOVE_DEPENDENCY]);
    let line = |code: &str, name: &str| format!("r {code} {}", wide(name));
    assert_eq!(told(&recorder), [line(ADD_DEPENDENCY, "y"), line(REMOVE_DEPENDENCY, "x")]);

    recorder.forget();
    recorder.answers(&format!("{REMOVE_DEPENDENCY} 5069\n"));
    let refused = node.apply(&set("[x]"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(said.contains("does not let go of \"y\"") && said.contains("5069"), "{said}");
    // What it had agreed to is taken back.
    assert_eq!(told(&recorder)[..2], [line(ADD_DEPENDENCY, "x"), line(REMOVE_DEPENDENCY, "y")]);
    until("the consent is taken back", || told(&recorder).get(2).cloned());
    assert_eq!(told(&recorder)[2..], [line(REMOVE_DEPENDENCY, "x")]);
    let kept: serde_json::Value = serde_json::from_str(&node.ok(&["config"])).unwrap();
    let resources = kept["groups"][0]["resources"].as_array().unwrap();
    let of = resources.iter().find(|resource| resource["name"] == "r").unwrap();
    assert_eq!(of["depends_on"], "[y]");
    assert_eq!(node.state("r"), "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn new_properties_are_candidates_until_they_are_stored() {
    let recorder = Recorder::new();
    let set = |mark: &str| {
        config(&recorder.dll, &format!("{}properties = {{ Mark = \"{mark}\" }}\n", resource("r", "")))
    };
    let validate = "01000089";
    let told = |recorder: &Recorder| {
        let lines = recorder.lines(&["Open", validate, "Close"]);
        lines
            .into_iter()
            .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let mut node = Node::up(&set("one"));
    node.wait("r", "Online");
    // A new one has nothing stored while it is checked; then it is opened with what was accepted.
    let lines = told(&recorder);
    assert_eq!(
        (lines[0].as_str(), lines[2].as_str(), lines[3].as_str()),
        ("r Open", "r Close", "r Open one")
    );
    assert!(lines[1].starts_with(&format!("r {validate} ")), "{lines:?}");
    recorder.forget();
    assert!(node.apply(&set("two")).status.success());
    let lines = told(&recorder);
    assert_eq!(lines[0], "r Open one");
    assert!(lines[1].contains(&wide("two")), "{lines:?}");
    recorder.forget();
    recorder.answers(&format!("{validate} 87\n"));
    assert!(!node.apply(&set("three")).status.success());
    assert_eq!(told(&recorder)[0], "r Open two");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_deletion_is_refused_by_the_dll_and_only_by_it() {
    let recorder = Recorder::new();
    let mut node = recorder.node(&(resource("r", "") + &resource("s", "")));
    node.wait("r", "Online");
    node.wait("s", "Online");
    recorder.forget();
    // Nobody is asked about what is refused anyway.
    node.fails(3, &["resource", "delete", "r"]);
    assert!(recorder.lines(&[QUERY_DELETE]).is_empty());
    node.ok(&["resource", "offline", "r"]);
    recorder.answers(&format!("{QUERY_DELETE} 170\n"));
    let said = node.fails(3, &["resource", "delete", "r"]);
    assert!(said.contains("170") && said.contains("does not let it be deleted"), "{said}");
    let said = node.fails(3, &["group", "delete", "g", "--force"]);
    assert!(said.contains("170"), "{said}");
    assert_eq!((node.state("r"), node.state("s")), ("Offline".to_owned(), "Online".to_owned()));
    assert!(recorder.lines(&[DELETE, "Close"]).is_empty());

    recorder.forget();
    recorder.answers("");
    node.ok(&["resource", "delete", "r"]);
    let told = recorder.lines(&["r"]);
    assert_eq!(told, [format!("r {QUERY_DELETE}"), format!("r {DELETE}"), "r Close".to_owned()]);

    node.ok(&["group", "delete", "g", "--force"]);
    recorder.answers(&format!("{TYPE_QUERY_DELETE} 5\n"));
    let said = node.fails(3, &["type", "unregister", "Notices"]);
    assert!(said.contains("ERROR_ACCESS_DENIED"), "{said}");
    // One that crashes, or is not there any more, does not keep its type for ever.
    recorder.answers(&format!("{TYPE_QUERY_DELETE} crash\n"));
    node.ok(&["type", "unregister", "Notices"]);
    assert_eq!(node.end(), 0);
}

#[test]
fn a_dll_that_hangs_or_crashes_when_it_is_told_something_holds_nothing_up() {
    let recorder = Recorder::new();
    let short = "[[group.resource]]\nname = \"r\"\ntype = \"Notices\"\ndepends_on = \"[app]\"\n\
                 common = { RestartDelay = 0, DeadlockTimeout = 1000 }\n";
    let mut node = recorder.node(&(application("app") + short));
    node.wait("r", "Online");
    // Past its deadline the monitor is killed, and the resource is offline all the same.
    recorder.answers(&format!("{REASON} hang\n"));
    let _ = node.run(&["resource", "offline", "r"]);
    until("it is down", || matches!(node.state("r").as_str(), "Offline" | "Failed").then_some(()));
    recorder.answers("");
    node.ok(&["resource", "online", "r"]);
    // It is lost over the question; the deletion goes on.
    node.ok(&["resource", "offline", "r"]);
    recorder.answers(&format!("{QUERY_DELETE} crash\n"));
    node.ok(&["resource", "delete", "r"]);
    node.wait("app", "Online");
    // A type that hangs when its monitor ends is killed with it.
    recorder.answers(&format!("{SHUTTING_DOWN} hang\n"));
    assert_eq!(node.end(), 0);
}

fn kept_offline(depends_on: &str) -> String {
    format!(
        "[[group.resource]]\nname = \"r\"\ntype = \"Notices\"\ndepends_on = \"{depends_on}\"\n\
         persistent_state = \"Offline\"\ncommon = {{ DeadlockTimeout = 1000 }}\n"
    )
}

/// `r` is wanted offline and has never been online: nobody has opened it.
fn never_opened(recorder: &Recorder) -> Node {
    let node = recorder.node(&(kept_offline("") + &resource("s", "")));
    node.wait("s", "Online");
    // Its properties were checked by a temporary instance, and that was all.
    assert_eq!(recorder.lines(&["r"]).iter().filter(|line| *line == "r Open").count(), 1);
    recorder.forget();
    node
}

#[test]
fn possible_owners_change_only_if_the_dll_agrees() {
    let recorder = Recorder::new();
    let mut node = Node::up(&config(&recorder.dll, &resource("r", "")));
    node.wait("r", "Online");
    let status: serde_json::Value = serde_json::from_str(&node.ok(&["status", "--json"])).unwrap();
    let me = status["groups"][0]["owner_node"].as_str().unwrap().to_owned();
    let set = |owners: &[&str]| {
        let owners = format!("possible_owners = {owners:?}\n");
        config(&recorder.dll, &(resource("r", "") + &owners))
    };
    let told = || recorder.lines(&[ADD_OWNER, REMOVE_OWNER]);
    let line = |code: &str, name: &str| format!("r {code} {}", wide(name));
    recorder.forget();
    // Without any, all could have it: this one is told of none that it has.
    assert!(node.apply(&set(&[&me, "far"])).status.success());
    assert_eq!(told(), [line(ADD_OWNER, "far")]);
    recorder.forget();
    assert!(node.apply(&set(&[&me, "near"])).status.success());
    assert_eq!(told(), [line(ADD_OWNER, "near"), line(REMOVE_OWNER, "far")]);

    recorder.forget();
    recorder.answers(&format!("{REMOVE_OWNER} 5069\n"));
    let refused = node.apply(&set(&[&me, "far"]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(said.contains("does not let it be kept from node \"near\"") && said.contains("5069"), "{said}");
    until("the consent is taken back", || told().get(2).cloned());
    assert_eq!(told(), [line(ADD_OWNER, "far"), line(REMOVE_OWNER, "near"), line(REMOVE_OWNER, "far")]);
    let kept: serde_json::Value = serde_json::from_str(&node.ok(&["config"])).unwrap();
    let owners = kept["groups"][0]["resources"][0]["possible_owners"].as_array().unwrap();
    assert_eq!(owners.len(), 2);
    assert!(owners.contains(&me.into()) && owners.contains(&"near".into()), "{owners:?}");
    assert_eq!(node.state("r"), "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_resource_that_is_not_open_is_opened_to_be_asked_whether_it_may_be_deleted() {
    let recorder = Recorder::new();
    let mut node = never_opened(&recorder);
    recorder.answers(&format!("{QUERY_DELETE} 170\n"));
    let said = node.fails(3, &["resource", "delete", "r"]);
    assert!(said.contains("170") && said.contains("does not let it be deleted"), "{said}");
    // What is asked and refuses is obeyed.
    node.fails(3, &["resource", "delete", "r", "--force"]);
    let asked = ["r Open".to_owned(), format!("r {QUERY_DELETE}"), "r Close".to_owned()];
    until("it is closed again", || {
        (recorder.lines(&["r"]) == [asked.clone(), asked.clone()].concat()).then_some(())
    });
    assert_eq!(node.state("r"), "Offline");

    recorder.forget();
    recorder.answers("");
    node.ok(&["resource", "delete", "r"]);
    let told = [asked[0].clone(), asked[1].clone(), format!("r {DELETE}"), "r Close".to_owned()];
    until("it is told of its end", || (recorder.lines(&["r"]) == told).then_some(()));
    // No other was opened, closed or told anything, and nothing is left of the process it was asked in.
    assert!(recorder.lines(&["s"]).is_empty());
    until("one monitor is left", || (node.processes("monitor").len() == 1).then_some(()));
    assert_eq!(node.end(), 0);
}

#[test]
fn a_resource_that_is_not_open_is_opened_to_be_asked_about_its_dependencies() {
    let recorder = Recorder::new();
    let mut node = never_opened(&recorder);
    let wanted = config(&recorder.dll, &(kept_offline("[s]") + &resource("s", "")));
    recorder.answers(&format!("{ADD_DEPENDENCY} 170\n"));
    let refused = node.apply(&wanted);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("does not let it depend on \"s\""), "{said}");
    let asked = ["r Open".to_owned(), format!("r {ADD_DEPENDENCY} {}", wide("s")), "r Close".to_owned()];
    until("it is closed again", || (recorder.lines(&["r"]) == asked).then_some(()));
    recorder.forget();
    recorder.answers("");
    assert!(node.apply(&wanted).status.success());
    until("it is closed again", || (recorder.lines(&["r"]) == asked).then_some(()));
    assert_eq!(node.end(), 0);
}

#[test]
fn what_cannot_be_opened_to_be_asked_is_deleted_by_force_only() {
    let recorder = Recorder::new();
    let mut node = never_opened(&recorder);
    for (how, told) in
        [("5", "ERROR_ACCESS_DENIED"), ("crash", "ended the process"), ("hang", "ended the process")]
    {
        recorder.answers(&format!("0 {how}\n"));
        let said = node.fails(3, &["resource", "delete", "r"]);
        assert!(said.contains("could not be opened to be asked") && said.contains(told), "{how}: {said}");
        assert!(said.contains("`stead resource delete \"r\" --force`"), "{how}: {said}");
        assert_eq!(node.state("r"), "Offline");
    }
    // A dependency can be changed back: nobody who cannot be asked stands in the way of it.
    recorder.answers("0 5\n");
    assert!(node.apply(&config(&recorder.dll, &(kept_offline("[s]") + &resource("s", "")))).status.success());
    recorder.answers("0 hang\n");
    node.ok(&["resource", "delete", "r", "--force"]);
    assert!(recorder.lines(&[DELETE]).is_empty());
    assert_eq!(node.state("s"), "Online");
    assert_eq!(node.end(), 0);
}
