//! Names of clusters and nodes.

use crate::error::{Trouble, refused};

/// The longest, so that it fits into a certificate.
const LONGEST: usize = 63;

/// Checks a name of a cluster or a node (`what`): it becomes part of etcd keys, certificates and host names.
///
/// # Errors
/// The rule it breaks.
pub fn check_name(what: &str, name: &str) -> Result<(), Trouble> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    let rule = if name.is_empty() {
        "it must not be empty"
    } else if name.len() > LONGEST {
        "it must not be longer than 63 characters"
    } else if !name.chars().all(good) {
        "it may hold the letters a to z, digits, dashes, dots and underscores"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it must begin with a letter or a digit"
    } else {
        return Ok(());
    };
    Err(refused(format!("{name:?} is no {what} name: {rule}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hosts() {
        for good in ["n1", "db-2.example", "7", "A_b"] {
            assert_eq!(check_name("node", good), Ok(()), "{good}");
        }
        for bad in ["", "-n", ".", "..", "a/b", "a b", "ä", "n\n", &"x".repeat(64)] {
            let told = check_name("node", bad).unwrap_err().to_string();
            assert!(told.contains(&format!("{bad:?} is no node name")), "{told}");
        }
    }
}
