//! The command line by itself: help, man pages, completions, JSON, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::process::{Command, Output};

use stead_e2e::{Node, stead};

fn run(arguments: &[&str]) -> Output {
    Command::new(stead()).args(arguments).env_remove("STEAD_DATA").output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands a help text lists.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_help_and_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["man", "--dir", &folder.path().display().to_string()]);
    let pages: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected = BTreeSet::from(["stead.1".to_owned()]);
    let all = commands(&printed(&["--help"]));
    assert!(all.contains(&"up".to_owned()) && all.contains(&"host".to_owned()), "{all:?}");
    let mut todo: Vec<Vec<String>> = all.into_iter().map(|command| vec![command]).collect();
    while let Some(words) = todo.pop() {
        let mut line: Vec<&str> = words.iter().map(String::as_str).collect();
        line.push("--help");
        let help = printed(&line);
        assert!(help.contains("Usage:"), "{words:?}");
        expected.insert(format!("stead-{}.1", words.join("-")));
        todo.extend(commands(&help).into_iter().map(|verb| [words.clone(), vec![verb]].concat()));
    }
    assert!(expected.contains("stead-cluster-members-remove.1"), "{expected:?}");
    assert_eq!(pages, expected);
    for page in &pages {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains(".SH NAME"), "{page}");
    }
    assert!(printed(&["man"]).contains(".TH"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = printed(&["completions", shell]);
        for word in ["apply", "doctor", "maintenance"] {
            assert!(text.contains(word), "{shell} lacks {word}");
        }
    }
    // What bash makes of it.
    let script = format!(
        "source <({} completions bash); COMP_WORDS=(stead gro); COMP_CWORD=1; _stead stead gro stead; \
         echo \"${{COMPREPLY[@]}}\"",
        stead().display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "group group-set");
}

#[test]
fn wrong_arguments_are_2_and_no_node_is_4() {
    for arguments in [&["nonsense"][..], &["status", "--nonsense"], &["group", "online"], &["apply"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none").display().to_string();
    for arguments in [
        &["status"][..],
        &["group", "online", "g"],
        &["events"],
        &["config"],
        &["explain", "x"],
        &["simulate", "--kill", "n1"],
        &["shutdown"],
    ] {
        let output = run(&[arguments, &["--data", &data]].concat());
        assert_eq!(output.status.code(), Some(4), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&data) && said.contains("stead up"), "{said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!folder.path().join("none").exists(), "a look makes no folder");
}

#[test]
fn listings_and_requests_speak_json() {
    let config = "[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"r\"\ntype = \"Generic Application\"\n\
                  properties = { CommandLine = \"sleep infinity\" }\n";
    let mut node = Node::up(config);
    node.wait("r", "Online");
    for arguments in [
        &["status"][..],
        &["status", "g"],
        &["group", "list"],
        &["resource", "list"],
        &["type", "list"],
        &["explain", "r"],
        &["config"],
        &["doctor"],
        &["events"],
        &["openapi"],
        &["resource", "restart", "r"],
        &["group", "offline", "g"],
        &["group", "online", "g", "--no-wait"],
    ] {
        let text = node.ok(&[arguments, &["--json"]].concat());
        let objects: Vec<serde_json::Value> = serde_json::Deserializer::from_str(&text)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"));
        assert!(!objects.is_empty(), "{arguments:?}");
    }
    let status = node.status();
    let group = &status["groups"][0];
    for key in ["name", "state", "owner_node", "resources"] {
        assert!(!group[key].is_null(), "{key} in {group}");
    }
    for key in ["name", "type", "state", "checkpoint", "last_error", "pid"] {
        assert!(group["resources"][0].get(key).is_some(), "{key} in {group}");
    }
    // Errors too: an object with what was tried on what.
    let output = node.run(&["group", "online", "nosuch", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let all = [output.stdout, output.stderr].concat();
    let said: serde_json::Value = serde_json::from_slice(&all).unwrap();
    assert!(said.to_string().contains("ERROR_GROUP_NOT_FOUND"), "{said}");
    assert_eq!(node.end(), 0);
}

/// What serves others ends as it would have, also where its log takes no line any more: a disk is full.
#[test]
fn programs_whose_log_is_full_end_as_they_would_have() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("node.toml"), "no = [TOML").unwrap();
    let data = folder.path().to_str().unwrap();
    for arguments in [
        &["node", "--nonsense"][..],
        &["member", "--nonsense"],
        &["member"],
        &["member", "--data", data],
        &["monitor", "--name", "alone"],
        &["warden"],
        &["guardian", "--nonsense"],
        &["host", "/absent.so"],
        &["verify", "/absent.so"],
    ] {
        let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
        let run = |full: Option<std::fs::File>| {
            let mut command = Command::new(stead());
            command.args(arguments).env_remove("STEAD_DATA").stdin(std::process::Stdio::null());
            if let Some(full) = full {
                command.stdout(full.try_clone().unwrap()).stderr(full);
            }
            command.output().unwrap().status.code()
        };
        let code = run(None);
        assert!(code.is_some_and(|code| (1..10).contains(&code)), "{arguments:?} ends with {code:?}");
        assert_eq!(run(Some(full())), code, "{arguments:?}, and nothing can be written");
    }
}
