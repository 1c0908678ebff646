//! Certificates, users and passwords: what is wrong is told, with whom and what to do.

use std::time::Duration;

use stead_store::{Outcome, Store, StoreError};
use stead_store_etcd::{EtcdStore, Login, Options, Start, Tls};

use crate::certificates::Authority;
use crate::cluster::{Cluster, HUNG, put};

/// A member that wants client certificates; its own has expired, or not.
fn with_tls(expired: bool) -> Option<(Cluster, Authority)> {
    let mut authority = None;
    let cluster = Cluster::start_with(1, "https", |folder, hosts| {
        let made = authority.insert(Authority::new(folder, "authority"));
        let (certificate, key) = made.sign("server", hosts, expired);
        vec![
            "--client-cert-auth".to_owned(),
            format!("--trusted-ca-file={}", made.file.display()),
            format!("--cert-file={}", certificate.display()),
            format!("--key-file={}", key.display()),
        ]
    })?;
    Some((cluster, authority.unwrap()))
}

fn refused(options: Options, parts: &[&str]) {
    let endpoint = options.endpoints[0].clone();
    match EtcdStore::open(options, Start::Create) {
        Err(StoreError::Refused(text)) => {
            for part in parts.iter().chain([&endpoint.as_str()]) {
                assert!(text.contains(part), "{part:?} is not in {text:?}");
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_and_nodes_check_each_other() {
    let Some((cluster, authority)) = with_tls(false) else { return };
    let good = authority.sign("n1", &[], false);
    let tls = |authority: &Authority, identity| Some(Tls { authority: authority.file.clone(), identity });
    let options = |tls| Options { tls, ..cluster.options("c", "n1") };
    let store = EtcdStore::open(options(tls(&authority, Some(good.clone()))), Start::Create).unwrap();
    assert!(matches!(store.commit(put("a", 1)), Ok(Outcome::Committed(_))));
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    store.commit(put("a", 2)).unwrap();
    assert!(watch.next(HUNG).unwrap().is_some());

    let other = Authority::new(cluster.folder(), "other");
    refused(options(tls(&other, Some(good))), &["not signed by the given authority"]);
    refused(options(tls(&authority, None)), &["refuses this node's certificate", "missing"]);
    let foreign = other.sign("foreign", &[], false);
    refused(options(tls(&authority, Some(foreign))), &["refuses this node's certificate"]);
    let expired = authority.sign("expired", &[], true);
    refused(options(tls(&authority, Some(expired))), &["refuses this node's certificate"]);
}

#[test]
fn an_expired_certificate_of_a_member_is_told() {
    let Some((cluster, authority)) = with_tls(true) else { return };
    let identity = Some(authority.sign("n1", &[], false));
    let tls = Some(Tls { authority: authority.file.clone(), identity });
    refused(Options { tls, ..cluster.options("c", "n1") }, &["has expired", "clock"]);
}

#[test]
fn what_cannot_work_is_refused_before_anybody_is_asked() {
    let options = |endpoint: &str| Options::new(vec![endpoint.to_owned()], "c", "n1");
    let folder = tempfile::tempdir().unwrap();
    let tls = |file: &str| Some(Tls { authority: folder.path().join(file), identity: None });
    std::fs::write(folder.path().join("empty"), "no certificate").unwrap();
    let cases: [(Options, &str); 9] = [
        (Options { endpoints: Vec::new(), ..options("") }, "no etcd endpoint"),
        (options("127.0.0.1:2379"), "\"127.0.0.1:2379\": it must begin with https://"),
        (options("https://127.0.0.1:2379"), "certificate authority"),
        (Options { tls: tls("missing"), ..options("https://127.0.0.1:2379") }, "missing"),
        (Options { tls: tls("empty"), ..options("http://127.0.0.1:2379") }, "must begin with https://"),
        (Options { cluster: "a/b".to_owned(), ..options("http://127.0.0.1:2379") }, "slash"),
        (Options { writer: String::new(), ..options("http://127.0.0.1:2379") }, "empty"),
        (Options { attempt: Duration::ZERO, ..options("http://127.0.0.1:2379") }, "above 0"),
        (Options { beat: Duration::ZERO, ..options("http://127.0.0.1:2379") }, "every 0 s"),
    ];
    for (options, part) in cases {
        let told = EtcdStore::open(options, Start::Existing).unwrap_err().to_string();
        assert!(told.contains(part), "{part:?} is not in {told:?}");
    }
}

#[test]
fn users_need_their_password_and_permission() {
    let Some(mut cluster) = Cluster::start(1) else { return };
    for args in [
        "user add root:secret",
        "user grant-role root root",
        "role add stead",
        "role grant-permission stead readwrite --prefix=true /stead/",
        "user add n1:right",
        "user grant-role n1 stead",
        "user add weak:right",
        "auth enable",
    ] {
        cluster.ctl(&args.split(' ').collect::<Vec<_>>());
    }
    let login = |user: &str, password: &str| {
        let login = Some(Login { user: user.to_owned(), password: password.to_owned() });
        Options { login, ..cluster.options("c", "n1") }
    };
    refused(cluster.options("c", "n1"), &["user"]);
    refused(login("n1", "wrong"), &["\"n1\"", "password"]);
    refused(login("nobody", "right"), &["\"nobody\"", "password"]);
    refused(login("weak", "right"), &["permission denied", "role"]);
    assert!(!format!("{:?}", login("n1", "right")).contains("right"), "a password is printed");

    let store = EtcdStore::open(login("n1", "right"), Start::Create).unwrap();
    assert!(store.opened().warnings.iter().any(|warning| warning.contains("in clear")));
    store.commit(put("a", 1)).unwrap();
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    // A restart of etcd forgets who is logged in.
    cluster.kill(0);
    cluster.run(0);
    assert!(matches!(store.commit(put("a", 2)), Ok(Outcome::Committed(_))));
    assert!(watch.next(HUNG).unwrap().is_some());
    cluster.kill(0);
    cluster.run(0);
    assert!(store.get("a").unwrap().is_some());
}
