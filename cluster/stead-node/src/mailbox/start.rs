//! What an earlier process of this node has left is cleared away.

use stead_store::{Entry, Guard, Operation, Revision, StoreError, Transaction};

use super::Office;
use super::document::{ALL, End, Kind, Reply, boxed, read_key, read_letter, reply_key};

/// What is to become of something that was there before this process.
fn leftover(office: &Office, entry: &Entry) -> Option<Vec<Operation>> {
    let me = boxed(&office.me);
    let (node, kind, id) = read_key(&entry.key)?;
    let of_this_process = id.starts_with(&format!("{me}.{}.", office.nonce));
    let delete = Operation::Delete(entry.key.clone());
    match kind {
        _ if of_this_process => None,
        // Whoever asked waits no more.
        Kind::Reply if node == me => Some(vec![delete]),
        Kind::Reply => {
            let mut reply = Reply::read(&entry.value);
            if reply.end.is_some() || !reply.by.eq_ignore_ascii_case(office.me.as_str()) {
                return None;
            }
            reply.end = Some(End::Unknown(format!(
                "the process of node \"{}\" that had begun it ended, and another one has started",
                office.me
            )));
            Some(vec![Operation::Put(entry.key.clone(), reply.write())])
        }
        // Nobody may be surprised by what was asked of a node long before it started. Who still waits is told.
        Kind::Letter if node == me => {
            let mut operations = vec![delete];
            if let Some((from, _)) = read_letter(&entry.value) {
                let why = format!("node \"{}\" had not started when it was asked; ask again", office.me);
                let reply = Reply { end: Some(End::NotDone(why)), ..Reply::new(&office.me, &office.nonce) };
                let key = reply_key(&from, id);
                if boxed(&from) != me {
                    operations.push(Operation::Put(key, reply.write()));
                }
            }
            Some(operations)
        }
        Kind::Letter => id.starts_with(&format!("{me}.")).then(|| vec![delete]),
    }
}

/// Clears away. Returns what is there for this process already, and the revision that everything else comes after: what was
/// asked first may have been answered by now.
///
/// # Errors
/// When the store cannot be read or written; what is cleared away stays so.
pub(super) fn clear(office: &Office) -> Result<(Revision, Vec<Entry>), StoreError> {
    let (revision, entries) = office.store.list(ALL)?;
    let mut kept = Vec::new();
    for entry in entries {
        if let Some(operations) = leftover(office, &entry) {
            // A conflict: somebody else was first, and what they left comes as news.
            let guards = vec![Guard::ModifiedAt(entry.key, entry.modified)];
            office.store.commit(Transaction { guards, operations })?;
        } else if read_key(&entry.key).is_some_and(|(node, ..)| node == boxed(&office.me)) {
            kept.push(entry);
        }
    }
    Ok((revision, kept))
}
