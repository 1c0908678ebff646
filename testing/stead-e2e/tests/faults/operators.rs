//! Rows O: people at the keyboard, two at once, and wrong.

use std::thread;

use stead_e2e::cluster::{Cluster, Plan, possible, said};

/// O1, O2 and O3: moves that contradict each other, that are given up, and groups that are deleted.
#[test]
fn two_operators_at_once_have_one_result() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.all_up();

    // O1, five times: to two nodes at once, asked of two nodes.
    for _ in 0..5 {
        let on = cluster.settled("n1", "a");
        let others = cluster.others(&[&on]);
        let ended: Vec<(String, std::process::Output)> = thread::scope(|scope| {
            let asks: Vec<_> = others
                .iter()
                .map(|to| {
                    let cluster = &cluster;
                    scope.spawn(move || (to.clone(), cluster.ask(to, &["group", "move", "a", "--to", to])))
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        });
        let won = ended.iter().filter(|(_, output)| output.status.success()).count();
        assert!(won >= 1, "{:?}", ended.iter().map(|(_, output)| said(output)).collect::<Vec<_>>());
        let at = cluster.settled("n1", "a");
        assert!(others.contains(&at), "it is on {at}");
        for (to, output) in &ended {
            if !output.status.success() {
                assert!(matches!(output.status.code(), Some(1 | 3)), "{to}: {}", said(output));
                assert!(!said(output).trim().is_empty());
            }
        }
        cluster.never_two();
        cluster.measured("O1", &format!("{won} of 2 were done, in one order; never two"));
    }

    // O2: a move that is given up at once ends here or there, and nowhere else.
    for _ in 0..5 {
        let on = cluster.settled("n1", "a");
        let to = cluster.others(&[&on])[0].clone();
        let taken = cluster.order(&on, &["group", "move", "a", "--to", &to, "--no-wait"]);
        assert!(taken.status.success(), "{}", said(&taken));
        let _ = cluster.ask(&on, &["group", "cancel", "a"]);
        let at = cluster.settled(&on, "a");
        assert!(at == on || at == to, "it is on {at}");
    }
    cluster.measured("O2", "here or there, online");

    // O3: a group that is online is not deleted without being told to; while it moves neither half is left.
    let refused = cluster.ask("n1", &["group", "delete", "b"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let on = cluster.settled("n1", "b");
    let to = cluster.others(&[&on])[0].clone();
    cluster.order(&on, &["group", "move", "b", "--to", &to, "--no-wait"]);
    // Only the owner deletes, and in the middle of a move there is none: the others refuse and change nothing.
    cluster.until("the deletion to be taken", || {
        cluster.nodes().iter().find_map(|node| {
            let output = cluster.ask(node, &["group", "delete", "b", "--force"]);
            assert!(matches!(output.status.code(), Some(0 | 3)), "{}", said(&output));
            output.status.success().then_some(())
        })
    });
    for node in cluster.nodes() {
        cluster.until(&format!("{node} to know no group b"), || {
            cluster.group(node, "b").is_null().then_some(())
        });
    }
    cluster.silent("b");
    cluster.measured("O3", "refused; with --force gone on all nodes, its work ended");
    cluster.end();
}
