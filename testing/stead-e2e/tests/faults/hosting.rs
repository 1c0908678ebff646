//! A node on which the file of a resource type is missing.

use stead_e2e::cluster::{Cluster, Plan, possible, said};
use stead_e2e::{compile, root};

/// Nothing goes where it cannot be loaded: not by an order, not when its node is lost; and everything does once the file is
/// there.
#[test]
fn a_node_that_lacks_the_file_of_a_type_takes_no_group_that_needs_it() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a"], ..Plan::default() });
    let types = cluster.folder().join("types");
    std::fs::create_dir(&types).unwrap();
    let library = compile(&root().join("testing/stead-e2e/dll/noop.c"), &types, "noop.so", &[]);
    let library = library.display().to_string();
    // Every node has a mount namespace of its own: on n2 the folder is an empty one.
    let shown = types.display().to_string();
    cluster.lab_ok(&["exec", "n2", "--", "mount", "-t", "tmpfs", "none", &shown]);

    let before = std::fs::read_to_string(cluster.file()).unwrap();
    let before = before.split_once("[[group]]").unwrap().1.to_owned();
    let file = cluster.folder().join("odd.toml");
    let odd = format!(
        "[[type]]\nname = \"Odd\"\ndll = \"{library}\"\n[[group]]\nname = \"odd\"\npreferred_owners = [\"n2\"]\n\
         [[group.resource]]\nname = \"odd-one\"\ntype = \"Odd\"\n[[group]]{before}"
    );
    // The type first: the nodes have looked when there is a group of it.
    let (types_only, _) = odd.split_once("[[group]]").unwrap();
    std::fs::write(&file, types_only).unwrap();
    let file = file.display().to_string();
    cluster.ok("n1", &["apply", &file]);
    let why = format!("cannot load resource type \"Odd\": file {library} is not on n2");
    cluster.until("n2 to say that the file is not there", || {
        let events = said(&cluster.ask("n2", &["events", "--last", "1000"]));
        events.contains(&format!("\"Odd\" cannot be loaded: file {library} is not on n2")).then_some(())
    });
    std::fs::write(&file, &odd).unwrap();
    cluster.ok("n1", &["apply", &file]);
    let on = cluster.online("n1", "odd");
    assert_ne!(on, "n2", "although it is the preferred owner");
    let told = said(&cluster.ask("n1", &["group", "move", "odd", "--to", "n2"]));
    assert!(told.contains(&why), "{told}");
    let told = said(&cluster.ask("n3", &["explain", "odd"]));
    assert!(told.contains(&why), "{told}");
    cluster.measured("U4", &format!("refused: {why}"));

    cluster.power_off(&on);
    let other = if on == "n1" { "n3" } else { "n1" };
    cluster.until("it to begin on the node that has the file", || {
        (cluster.group(other, "odd")["owner_node"] == other).then_some(())
    });
    assert_eq!(cluster.online(other, "odd"), other);

    cluster.power_on(&on);
    cluster.all_answer(&on);
    cluster.lab_ok(&["exec", "n2", "--", "umount", &shown]);
    cluster.until("n2 to take it", || {
        cluster.ask(other, &["group", "move", "odd", "--to", "n2"]).status.success().then_some(())
    });
    assert_eq!(cluster.online(other, "odd"), "n2");
    cluster.end();
}
