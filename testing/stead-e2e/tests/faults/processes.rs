//! Rows H and M: processes of a node are killed, stopped and frozen, and its power is cut.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Kind, Plan, instant, possible};

use crate::{seconds, tell, undisturbed};

/// H1, H2, H5, M1, M3 and U3: what dies comes back, where it was or elsewhere.
#[test]
fn what_is_killed_comes_back() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    cluster.move_to("a", "n1");
    cluster.move_to("b", "n2");
    cluster.move_to("c", "n2");
    cluster.all_up();

    // H2 and U3: the node process. Nothing of the work notices.
    undisturbed(&cluster, "H2 U3", Duration::from_secs(1), || {
        let node = cluster.processes("n1", Kind::Node);
        cluster.kill_all(&node);
        let since = instant();
        cluster.until("another node process to answer", || {
            let answers = cluster.ask("n1", &["status"]).status.success();
            (answers && cluster.processes("n1", Kind::Node) != node).then_some(())
        });
        let took = Duration::from_nanos(instant() - since);
        cluster.measured("H2", &format!("the node process answers again after {}", seconds(took)));
        // And it decides again.
        assert_eq!(cluster.online("n1", "a"), "n1");
    });

    // H5, M3, M1: the guard, the warden and the monitor of a group. Only that group begins anew, and here.
    for (row, kind) in [("H5", Kind::Guard), ("M3", Kind::Warden), ("M1", Kind::Monitor)] {
        let others = cluster.testimony("c").lives().len();
        let since = instant();
        cluster.kill_all(&cluster.of_group("n2", kind, "b"));
        let change = cluster.changed("b", since);
        tell(&cluster, row, &change);
        assert_eq!(change.to, "n2", "{row}: a crash is a restart, not a failover");
        assert_eq!(cluster.testimony("c").lives().len(), others, "{row}: another group ended");
        cluster.online("n2", "b");
    }

    // M2: the monitor is stopped by a signal. Its warden sees that, and kills it.
    let since = instant();
    cluster.stop(&cluster.of_group("n2", Kind::Monitor, "b"));
    let change = cluster.changed("b", since);
    tell(&cluster, "M2", &change);
    assert_eq!(change.to, "n2");
    cluster.online("n2", "b");

    // H1: the power. A running node loses nothing by it.
    let others = cluster.testimony("a").lives().len();
    let since = instant();
    cluster.power_off("n2");
    for group in ["b", "c"] {
        let change = cluster.changed(group, since);
        tell(&cluster, "H1", &change);
        assert_ne!(change.to, "n2");
    }
    assert_eq!(cluster.testimony("a").lives().len(), others, "H1: a group elsewhere ended");
    cluster.power_on("n2");
    cluster.all_answer("n1");
    cluster.all_up();

    // H14: a node that is shut down in order gives its work away first.
    let (on, since) = (cluster.settled("n1", "b"), instant());
    cluster.ok(&on, &["shutdown"]);
    let change = cluster.changed("b", since);
    tell(&cluster, "H14", &change);
    assert_ne!(change.to, on);
    cluster.until("the node to end", || (!cluster.is_on(&on)).then_some(()));
    cluster.power_on(&on);
    cluster.all_answer(&on);
    cluster.all_up();

    // H4: the guardian. In a lab it is the first process of its machine, so all of that goes, as the kernel ends it
    // elsewhere.
    let on = cluster.serves("a");
    let since = instant();
    cluster.kill_all(&cluster.processes(&on, Kind::Guardian));
    let change = cluster.changed("a", since);
    tell(&cluster, "H4", &change);
    assert_ne!(change.to, on);
    cluster.power_on(&on);
    cluster.all_answer(&on);
    cluster.all_up();
    cluster.end();
}

/// H6, H7, H8 and H9: whoever cannot act loses its work to the kernel's timer, and then to others.
#[test]
fn what_is_stopped_or_frozen_ends_at_its_deadline() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });

    // H6: the node process is stopped. Its member of etcd runs on, so the database has all its voters.
    let stopped = |row: &str, on: &str, kinds: &[Kind]| {
        cluster.move_to("a", on);
        cluster.move_to("b", cluster.others(&[on])[0].as_str());
        cluster.all_up();
        let others = cluster.testimony("b").lives().len();
        let processes: Vec<u64> = kinds.iter().flat_map(|kind| cluster.processes(on, *kind)).collect();
        let since = instant();
        cluster.stop(&processes);
        let change = cluster.changed("a", since);
        tell(&cluster, row, &change);
        assert_ne!(change.to, on, "{row}");
        cluster.never_two();
        cluster.pass(Duration::from_secs(1));
        cluster.resume(&processes);
        cluster.until("the node to see that it was deposed and to join again", || {
            let status = cluster.ask(on, &["status", "--json"]);
            let text = String::from_utf8_lossy(&status.stdout).into_owned();
            (status.status.success() && text.contains("\"Up\"")).then_some(())
        });
        cluster.all_up();
        assert_eq!(cluster.testimony("a").lives().last().unwrap().node, change.to, "{row}");
        assert_eq!(cluster.testimony("b").lives().len(), others, "{row}: another group ended");
        cluster.never_two();
    };
    stopped("H6", "n1", &[Kind::Node]);
    // H7: the guardian. The timers are the kernel's; and what the guardian does not answer for the node does not renew.
    stopped("H7", "n2", &[Kind::Guardian]);
    stopped("H8", "n2", &[Kind::Node, Kind::Guardian, Kind::Guard]);
    stopped(
        "H8+",
        "n3",
        &[
            Kind::Node,
            Kind::Guardian,
            Kind::Guard,
            Kind::Warden,
            Kind::Monitor,
            Kind::Work,
            Kind::Member,
            Kind::Etcd,
        ],
    );

    // H9: everything of a node, the member of etcd too, in a frozen control group.
    cluster.move_to("a", "n1");
    cluster.all_up();
    let since = instant();
    if cluster.freeze("n1") {
        let change = cluster.changed("a", since);
        tell(&cluster, "H9", &change);
        assert_ne!(change.to, "n1");
        cluster.never_two();
        cluster.thaw("n1");
        cluster.all_up();
        assert_eq!(cluster.testimony("a").lives().last().unwrap().node, change.to);
    }

    cluster.end();
}

/// H3: the node process is killed and cannot come back. Nobody renews, so the kernel's timers end what runs there, and it
/// begins elsewhere; once the node process can begin again, it does so by itself.
#[test]
fn a_node_process_that_stays_away_loses_its_work() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.move_to("b", "n2");
    cluster.all_up();
    let others = cluster.testimony("b").lives().len();
    let guardian = cluster.processes("n1", Kind::Guardian);
    // Without its file no node process begins.
    let file = cluster.data("n1").join("node.toml");
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).unwrap();
    let since = instant();
    cluster.kill_all(&cluster.processes("n1", Kind::Node));
    let change = cluster.changed("a", since);
    tell(&cluster, "H3", &change);
    assert_ne!(change.to, "n1");
    // It is tried again and again, and says why it does not begin.
    cluster.until("the node to say why it does not begin", || {
        let log = std::fs::read_to_string(cluster.data("n1").join("log/node.log")).unwrap_or_default();
        log.contains(&file.display().to_string()).then_some(())
    });
    assert_eq!(cluster.processes("n1", Kind::Guardian), guardian, "its guardian ended");
    cluster.never_two();

    std::fs::rename(&away, &file).unwrap();
    cluster.all_answer("n1");
    cluster.all_up();
    assert_eq!(cluster.testimony("a").lives().last().unwrap().node, change.to, "what was taken over stays");
    assert_eq!(cluster.testimony("b").lives().len(), others, "another group ended");
    cluster.move_to("a", "n1");
    cluster.end();
}
