//! Programs that people run: nginx and PostgreSQL behind addresses that move, and clients that follow them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use stead_e2e::cluster::{Cluster, Plan, Way, instant, possible, said};

use crate::seconds;

fn folder_of_postgresql() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("postgres").exists());
    if found.is_none() || Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("SKIPPED: PostgreSQL or nginx is not there (packages postgresql, nginx-light)");
        return None;
    }
    found
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

/// As the user of the database, who is not root.
fn postgres(program: &Path) -> Vec<String> {
    let words = ["/usr/bin/setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.push(program.display().to_string());
    words
}

/// The names of those who answer over HTTP.
fn web(address: &str) -> Option<String> {
    let address: SocketAddr = format!("{address}:80").parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(250)).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(250))).ok()?;
    write!(stream, "GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next_back().map(str::to_owned)
}

fn sql(bin: &Path, address: &str, statement: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg("2").arg(bin.join("psql")).args(["-qAt", "-h", address, "-U", "postgres", "-d", "postgres"]);
    command.env("PGCONNECT_TIMEOUT", "1").args(["-c", statement]).output().unwrap()
}

/// A database on a disk that every node reaches, and a web server: each behind an address. What the database has
/// acknowledged is there after a power cut and a partition, and clients find both where they were.
#[test]
fn nginx_and_postgresql_are_found_at_their_addresses_again() {
    if !possible() {
        return;
    }
    let Some(bin) = folder_of_postgresql() else { return };
    let shared = tempfile::tempdir().unwrap();
    let disk = shared.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    for path in [shared.path(), &disk] {
        run(Command::new("chown").arg("postgres:postgres").arg(path));
    }
    let init = postgres(&bin.join("initdb"));
    let words = ["-D", disk.to_str().unwrap(), "--auth", "trust", "--no-sync"];
    run(Command::new(&init[0]).args(&init[1..]).args(words).current_dir("/"));
    let network = "host all all 0.0.0.0/0 trust\n";
    let rules = disk.join("pg_hba.conf");
    let before = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("{before}{network}")).unwrap();
    let site = shared.path().join("nginx.conf");
    // The file is removed by nginx when it ends, and never read.
    let pid = shared.path().join("nginx.pid");
    let text = format!(
        "daemon off; worker_processes 1; pid {}; events {{}}\n\
         http {{ access_log off; server {{ listen 80; return 200 \"$hostname\\n\"; }} }}\n",
        pid.display()
    );
    std::fs::write(&site, text).unwrap();
    let database =
        [postgres(&bin.join("postgres")), vec!["-D".to_owned(), disk.display().to_string()]].concat();
    let database = format!("{} -h NET.101 -k {}", database.join(" "), shared.path().display());
    let group = |name: &str, last: u8, command: &str, signal: &str| {
        format!(
            "[[group]]\nname = \"{name}\"\nfailover_threshold = 1000\n\
             [[group.resource]]\nname = \"{name}-ip\"\ntype = \"IP Address\"\ncommon = {{ RestartDelay = 0 }}\n\
             properties = {{ Address = \"NET.{last}\", PrefixLength = 24, Interface = \"eth0\" }}\n\
             [[group.resource]]\nname = \"{name}-run\"\ntype = \"Generic Application\"\ndepends_on = \"[{name}-ip]\"\n\
             common = {{ RestartDelay = 0, RestartThreshold = 1000 }}\n\
             properties = {{ CommandLine = \"{command}\", StopSignal = \"{signal}\" }}\n"
        )
    };
    let nginx = format!("nginx -e stderr -c {}", site.display());
    let more = group("web", 100, &nginx, "QUIT") + &group("db", 101, &database, "INT");
    let cluster = Cluster::up(&Plan { groups: &["a"], more, ..Plan::default() });
    let (web_at, db_at) = (cluster.address(100), cluster.address(101));
    cluster.until("the database to answer", || {
        sql(&bin, &db_at, "create table told (n int)").status.success().then_some(())
    });
    cluster.until("the web server to answer", || web(&web_at));

    let mut told = 0_u32;
    let mut tell = |until: &dyn Fn() -> bool| {
        loop {
            if sql(&bin, &db_at, &format!("insert into told values ({})", told + 1)).status.success() {
                told += 1;
                if until() {
                    return told;
                }
            }
        }
    };
    for row in ["H1", "N1"] {
        let on = cluster.online("n1", "db");
        cluster.until("both on one node", || {
            let output = cluster.order(&on, &["group", "move", "web", "--to", &on]);
            assert!(output.status.success(), "{}", said(&output));
            (web(&web_at).as_deref() == Some(&on)).then_some(())
        });
        cluster.all_up();
        tell(&|| true);
        let asked = cluster.others(&[&on])[0].clone();
        let since = instant();
        if row == "H1" {
            cluster.power_off(&on);
        } else {
            cluster.partition(&on, Way::Both);
        }
        let elsewhere =
            cluster.until("the web server to answer elsewhere", || web(&web_at).filter(|at| *at != on));
        let web_back = Duration::from_nanos(instant() - since);
        cluster.until("the database to be taken over", || (cluster.online(&asked, "db") != on).then_some(()));
        let rows = tell(&|| true);
        let back = Duration::from_nanos(instant() - since);
        cluster.measured(
            row,
            &format!(
                "nginx answers after {} from {elsewhere}, PostgreSQL after {}",
                seconds(web_back),
                seconds(back)
            ),
        );
        // A client that was cut off in the middle may have had its row written without being told so.
        let output = sql(&bin, &db_at, "select count(distinct n) from told");
        assert_eq!(said(&output).trim(), rows.to_string(), "what was acknowledged is there");
        cluster.repair();
        cluster.all_answer(&on);
        cluster.all_up();
    }
    cluster.end();
}
