//! `stead cluster certificates` and `stead cluster renew`.

use std::path::Path;

use stead_membership as membership;

use crate::client::Trouble;
use crate::exit::Exit;
use crate::show;

/// Lists them. What is over or soon will be is an answer, not a failure of the command.
pub(crate) fn list(data: &Path, json: bool) -> Result<Exit, Trouble> {
    let list = membership::certificates(data)?;
    if json {
        show::json(&list);
        return Ok(Exit::Done);
    }
    if list.certificates.is_empty() {
        show::out(&format!(
            "cluster {} has no certificates: its nodes speak with etcd in clear",
            list.cluster
        ));
    } else {
        let rows = list.certificates.into_iter().map(|line| {
            vec![
                line.whose,
                line.kind.to_owned(),
                line.ends.unwrap_or_else(|| "not known yet".to_owned()),
                line.days.map_or_else(String::new, |days| days.to_string()),
                line.signer.unwrap_or_default(),
                line.file.map_or_else(String::new, |file| file.display().to_string()),
            ]
        });
        show::out(&show::list(
            &["WHOSE", "KIND", "GOOD UNTIL", "DAYS", "SIGNED BY", "FILE HERE"],
            rows.collect(),
        ));
    }
    super::warn(&list.warnings);
    Ok(Exit::Done)
}

/// Renews this node's.
pub(crate) fn renew(data: &Path, seconds: Option<u32>, json: bool) -> Result<Exit, Trouble> {
    let renewed = membership::renew(data, seconds)?;
    if json {
        show::json(&renewed);
    } else {
        show::out(&renewed.told());
        show::out(
            "its node and its member of etcd take it with their next connection; nothing has to be started again",
        );
    }
    Ok(Exit::Done)
}
