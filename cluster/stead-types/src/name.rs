use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// Why a string is not a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// What the name was for: `group`, `resource`, `resource type`, `node`.
    pub kind: &'static str,
    /// The string as given.
    pub given: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no {} name: {}", self.given, self.kind, self.rule)
    }
}

impl std::error::Error for NameError {}

/// The longest name, in bytes of UTF-8.
const LONGEST: usize = 128;

fn check(kind: &'static str, given: &str) -> Result<(), NameError> {
    let rule = if given.is_empty() {
        "it must not be empty"
    } else if given.len() > LONGEST {
        "it must not be longer than 128 bytes"
    } else if given.trim() != given {
        "it must not begin or end with a space"
    } else if given.chars().any(char::is_control) {
        "it must not contain control characters"
    } else if given.contains(['/', '[', ']', '"', '\\']) {
        "it must not contain any of / [ ] \" \\"
    } else if given == "." || given == ".." {
        "it must not be . or .."
    } else {
        return Ok(());
    };
    Err(NameError { kind, given: given.to_owned(), rule })
}

/// So many letters of a name stand in its head.
const HEAD: usize = size_of::<u64>();

/// The first letters of a name without case, as a number in the same order. What is shorter ends with zeros, which are in
/// no name: of two different heads the smaller one is that of the smaller name.
fn head(given: &str) -> u64 {
    let mut head = [0; HEAD];
    for (to, from) in head.iter_mut().zip(given.bytes()) {
        *to = from.to_ascii_lowercase();
    }
    u64::from_be_bytes(head)
}

/// The order of two names whose heads are equal.
fn beyond_heads(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    for (a, b) in a.iter().zip(b).skip(HEAD) {
        if a != b {
            let order = a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
            if order != Ordering::Equal {
                return order;
            }
        }
    }
    a.len().cmp(&b.len())
}

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident, $kind:literal;)+) => {$(
        $(#[$meta])*
        ///
        /// Compared without regard to ASCII case; shown as first written. At most 128 bytes, no control
        /// characters and none of `/ [ ] " \`. Cloning is cheap.
        #[derive(Clone)]
        pub struct $name {
            /// Most comparisons end here, and need not look at the text.
            head: u64,
            text: Arc<str>,
        }

        impl $name {
            /// Takes a string as a name.
            ///
            /// # Errors
            /// The rule the string breaks.
            pub fn new(given: &str) -> Result<Self, NameError> {
                check($kind, given).map(|()| $name { head: head(given), text: Arc::from(given) })
            }

            /// The name as first written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(given: &str) -> Result<Self, NameError> {
                $name::new(given)
            }
        }

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other) == Ordering::Equal
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                self.head.cmp(&other.head).then_with(|| {
                    // Most are clones of one another.
                    let same = Arc::ptr_eq(&self.text, &other.text);
                    if same { Ordering::Equal } else { beyond_heads(&self.text, &other.text) }
                })
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                for byte in self.text.bytes() {
                    state.write_u8(byte.to_ascii_lowercase());
                }
                state.write_u8(0xFF);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.text, f)
            }
        }
    )+};
}

names! {
    /// The name of a group, unique in the cluster.
    GroupName, "group";
    /// The name of a group set, unique in the cluster.
    GroupSetName, "group set";
    /// The name of a resource, unique in the cluster.
    ResourceName, "resource";
    /// The name of a resource type, such as `Generic Application`.
    TypeName, "resource type";
    /// The name of a node.
    NodeName, "node";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_only_by_more_than_case() {
        let (a, b) = (GroupName::new("Web").unwrap(), GroupName::new("web").unwrap());
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "Web");
        let set: std::collections::HashSet<GroupName> = [a, b].into();
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn the_order_of_names_is_that_of_their_letters_without_case() {
        let words = [
            "a",
            "A",
            "ab",
            "aB",
            "Ab",
            "b",
            "B",
            "aa",
            "é",
            "É",
            "a-1",
            "a-10",
            "a-2",
            "Z",
            "database",
            "DATABASE",
            "database-1",
            "Database-10",
            "database-2",
            "databasf",
            "databas",
            "dataBASE-É",
            "database-é",
        ];
        let lower = |word: &str| word.to_ascii_lowercase().into_bytes();
        for a in words {
            for b in words {
                let (x, y) = (NodeName::new(a).unwrap(), NodeName::new(b).unwrap());
                assert_eq!(x.cmp(&y), lower(a).cmp(&lower(b)), "{a} and {b}");
                assert_eq!(x == y, x.cmp(&y) == Ordering::Equal, "{a} and {b}");
                assert_eq!(x.cmp(&x.clone()), Ordering::Equal);
            }
        }
    }

    #[test]
    fn bad_names_say_the_rule() {
        for bad in ["", " web", "a/b", "a\nb", "[x]", "..", &"x".repeat(129)] {
            assert!(ResourceName::new(bad).is_err(), "{bad:?}");
        }
        let error = GroupName::new("a/b").unwrap_err().to_string();
        assert_eq!(error, "\"a/b\" is no group name: it must not contain any of / [ ] \" \\");
    }
}
