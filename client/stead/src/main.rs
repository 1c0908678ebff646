//! The one installed file. It picks the program by its first word, and does nothing else.

use std::ffi::OsString;
use std::process::ExitCode;

use stead_monitor::Builtin;

/// The resource types shipped with stead, reached through the same function tables as any resource DLL's.
fn builtin() -> &'static [Builtin] {
    static BUILTIN: std::sync::OnceLock<Vec<Builtin>> = std::sync::OnceLock::new();
    BUILTIN.get_or_init(|| {
        stead_clusres::builtin()
            .iter()
            .map(|(type_name, startup_ex)| Builtin { type_name, startup_ex: *startup_ex })
            .collect()
    })
}

/// Which containment works here, and whether it covers everything.
fn containment() -> (bool, &'static str) {
    let found = stead_guardian::probe();
    (found == stead_guardian::Containment::PidNamespace, found.describe())
}

/// True for what the guardian starts, `node --data DIR [--name NAME]`; a person's `node --data DIR list` has a verb.
fn is_inner_node(args: &[OsString]) -> bool {
    let mut words = args.iter().skip(2).step_by(2);
    args.len().is_multiple_of(2) && args.len() > 2 && words.all(|word| word == "--data" || word == "--name")
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let rest = || args.iter().skip(2).cloned().collect::<Vec<_>>();
    match args.get(1).and_then(|word| word.to_str()) {
        Some("guardian") => stead_guardian::guardian_main(rest()),
        Some("warden") => stead_guardian::warden_main(rest()),
        Some("monitor") => stead_monitor::monitor_main(rest(), builtin()),
        Some("member") => stead_membership::member_main(rest()),
        Some("undo") if args.len() == 2 => stead_clusres::undo_main(),
        Some("node") if is_inner_node(&args) => stead_node::node_main(rest()),
        Some(_) | None => {
            let command = stead_cli::command(vec![
                stead_monitor::host_command(),
                stead_monitor::verify_command(),
                stead_lab::lab_command(),
            ]);
            let matches = command.clone().get_matches_from(args);
            match matches.subcommand() {
                Some(("host", matches)) => stead_monitor::host_main(matches, builtin()),
                Some(("verify", matches)) => stead_monitor::verify_main(matches, builtin()),
                Some(("lab", matches)) => stead_lab::lab_main(matches, stead_cli::check_file),
                Some(_) | None => {
                    let others = stead_cli::Others { containment, simulate: stead_node::simulate };
                    stead_cli::run(&matches, command, others)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    #[test]
    fn the_inner_node_is_told_from_verbs_of_nodes() {
        let inner = |words: &str| {
            let args: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            super::is_inner_node(&args)
        };
        assert!(inner("stead node --data d") && inner("stead node --data d --name n1"));
        for words in
            ["stead node", "stead node list", "stead node --data d list", "stead node --data d pause n1"]
        {
            assert!(!inner(words), "{words}");
        }
        for words in
            ["stead node pause --data d n1", "stead node run --data d", "stead node --data d --json list"]
        {
            assert!(!inner(words), "{words}");
        }
    }

    #[test]
    fn the_shipped_types_are_those_that_the_node_knows() {
        let linked: Vec<&str> = super::builtin().iter().map(|builtin| builtin.type_name).collect();
        assert_eq!(linked, stead_api::BUILTIN_TYPES);
    }
}
