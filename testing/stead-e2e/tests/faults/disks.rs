//! Rows D: the disk of one node of several.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Kind, Plan, disks_possible, instant, possible, said};

use crate::{seconds, undisturbed};

/// D1 and D4: the disk with the data folder is full, and then fails, so that the kernel lets nobody write to it.
#[test]
fn a_full_disk_and_a_failing_one_end_no_work() {
    if !possible() || !disks_possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let disk = cluster.small_disk("n1", 512);
    cluster.all_answer("n1");
    cluster.all_up();
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    let data = cluster.data("n1").display().to_string();
    let doctor = || said(&cluster.ask("n1", &["doctor"]));

    // D1: its member of etcd ends, the node goes on with the others, and the work with it.
    undisturbed(&cluster, "D1", Duration::from_secs(10), || disk.fill());
    let told = format!("{data}: 0 MiB free");
    // What etcd had reserved and gives back when it ends is taken as well.
    cluster.until("the disk to be full to the last", || {
        disk.fill();
        doctor().contains(&told).then_some(())
    });
    // Orders are taken and done, also when their lines find no room in the log any more.
    for node in ["n2", "n1", "n2", "n1", "n2", "n1"] {
        cluster.move_to("a", node);
    }
    cluster.measured("D1", &format!("moved there and back three times; told: {told}"));
    disk.empty();
    cluster.all_answer("n1");
    cluster.all_up();

    // D4
    undisturbed(&cluster, "D4", Duration::from_secs(10), || disk.fail());
    let told = format!("{data} cannot be written to");
    assert!(doctor().contains(&told), "{}", doctor());
    let log = std::fs::read_to_string(cluster.disk("n1").join("node.log")).unwrap();
    let why = format!("the member of etcd could not be started: {data}/log/etcd.log: Read-only");
    assert!(log.contains(&why), "{log}");
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n1");
    cluster.measured("D4", &format!("moved away and back; told: {told}"));
    assert!(cluster.ask("n1", &["status"]).status.success(), "the node does not answer");
    cluster.never_two();

    // With another disk all is as before.
    cluster.replace_disk("n1", disk);
    for node in cluster.nodes() {
        cluster.all_answer(node);
    }
    cluster.all_up();
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n1");
    cluster.end();
}

/// D2: the disk with the data folder stalls: whoever writes to it waits. Renewals do not, and nothing lives twice.
#[test]
fn a_disk_that_stalls_ends_no_work() {
    if !possible() || !disks_possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let disk = cluster.small_disk("n1", 512);
    cluster.all_answer("n1");
    cluster.all_up();
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    // Longer than any lease of these nodes. The work has to be there each time: what has gone is not ended by the next stall.
    let lives = || cluster.testimony("a").lives().len();
    for attempt in 1..=3 {
        cluster.move_to("a", "n1");
        cluster.all_up();
        let before = lives();
        disk.stall();
        cluster.pass(Duration::from_secs(10));
        disk.go_on();
        cluster.pass(Duration::from_secs(1));
        cluster.serves("a");
        cluster.never_two();
        cluster.all_answer("n1");
        if lives() == before {
            cluster.measured("D2", &format!("no work ended (attempt {attempt})"));
            break;
        }
        assert!(attempt < 3, "D2: work ended three times of three");
    }

    // And while a group is to come, of which there is something to be written: it waits for the disk, or comes.
    let since = instant();
    disk.stall();
    let told = cluster.ask("n2", &["group", "move", "b", "--to", "n1"]);
    assert!(matches!(told.status.code(), Some(0 | 1 | 3 | 4 | 124)), "{}", said(&told));
    cluster.pass(Duration::from_secs(10));
    cluster.never_two();
    disk.go_on();
    for node in cluster.nodes() {
        cluster.all_answer(node);
    }
    cluster.all_up();
    for group in ["a", "b", "c"] {
        let at = cluster.settled("n2", group);
        let down = seconds(cluster.testimony(group).down(since));
        cluster.measured("D2, with orders", &format!("{group} is on {at}, was down for {down}"));
    }
    cluster.power_off("n1");
    drop(disk);
    cluster.end();
}

/// E4: the disk of one member of etcd is slow, so that every write to it waits for 2 s, or stalls for longer; of one that
/// follows, and of the one that leads. The others go on without it, and so does the node beside it.
#[test]
fn a_slow_disk_of_a_member_of_etcd_ends_no_work() {
    if !possible() || !disks_possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let disk = cluster.disk_of_etcd("n1", 512);
    cluster.all_answer("n1");
    cluster.all_up();
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    let slow = || disk.slow(Duration::from_secs(2), Duration::from_secs(10));
    let stalls = || {
        disk.stall();
        cluster.pass(Duration::from_secs(10));
        disk.go_on();
    };
    // Orders given meanwhile are done meanwhile: nobody waits for that disk, nor listens to that member for long.
    let orders = |row: &str| {
        // Begun anew, the node beside it listens to it.
        cluster.kill_all(&cluster.processes("n1", Kind::Node));
        cluster.all_answer("n1");
        cluster.all_up();
        disk.stall();
        for (group, to) in [("b", "n1"), ("a", "n2"), ("b", "n2"), ("a", "n1")] {
            let began = std::time::Instant::now();
            cluster.move_to(group, to);
            cluster.measured(row, &format!("{group} was on {to} after {}", seconds(began.elapsed())));
        }
        disk.go_on();
    };
    let back = || {
        for node in cluster.nodes() {
            cluster.all_answer(node);
        }
        cluster.all_up();
    };
    // Without etcdctl, which it says.
    if !cluster.lead("n2") {
        cluster.power_off("n1");
        drop(disk);
        return cluster.end();
    }
    for (part, leader) in [("it follows", "n2"), ("it leads", "n1")] {
        // A leader that stands still is none soon, so it is made one before each.
        let begin = || {
            back();
            assert!(cluster.lead(leader));
        };
        begin();
        orders(&format!("E4, {part}, no write, with orders"));
        for (what, fault) in [("every write takes 2 s", &slow as &dyn Fn()), ("no write for 10 s", &stalls)] {
            let row = format!("E4, {part}, {what}");
            undisturbed(&cluster, &row, Duration::from_secs(2), || {
                begin();
                fault();
                let now = cluster.leader();
                cluster.measured(&row, &format!("led by {leader} before, by {now} after"));
                assert_ne!(now, "n1", "whose disk stands still");
            });
        }
        cluster.never_two();
    }
    back();
    cluster.power_off("n1");
    drop(disk);
    cluster.end();
}
