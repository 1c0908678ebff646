//! Which etcd is good enough, and what is at risk with another.

/// From these on, of each line that still had fixes, what follows is repaired. Lines after the last have it from the start.
const FIXED: &[(u32, u32)] = &[(4, 42), (5, 28), (6, 9)];

/// What to tell an operator whose members have these versions, in one line; nothing if all are good enough.
pub(crate) fn warning(members: &[(String, String)]) -> Option<String> {
    let bad: Vec<&(String, String)> = members.iter().filter(|(_, version)| !good(version)).collect();
    let mut versions: Vec<&str> = bad.iter().map(|(_, version)| version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let urls: Vec<&str> = bad.iter().map(|(url, _)| url.as_str()).collect();
    (!bad.is_empty()).then(|| {
        format!(
            "etcd {} ({}) is older than stead asks for (3.4.42, 3.5.28, 3.6.9); what is at risk: \"Versions of etcd\" in \
             the operator's guide",
            versions.join(", "),
            urls.join(", ")
        )
    })
}

/// True if what is known to be wrong with etcd is repaired in it. A version that cannot be understood is not good.
fn good(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
    let (Some(major), Some(minor), Some(patch)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    match (major, FIXED.iter().find(|(line, _)| *line == minor)) {
        (3, Some((_, fixed))) => patch >= *fixed,
        (3, None) => FIXED.last().is_some_and(|(last, _)| minor > *last),
        (newer, _) => newer > 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_first_good_version() {
        for version in ["3.4.42", "3.5.28", "3.5.30", "3.6.9", "3.7.0", "3.10.1", "4.0.0", "3.7.0-rc.1"] {
            assert!(good(version), "{version}");
        }
        for version in ["3.4.23", "3.4.41", "3.5.0", "3.5.27", "3.6.8", "3.3.27", "2.3.8", "main", ""] {
            assert!(!good(version), "{version}");
        }
    }

    #[test]
    fn all_members_that_are_too_old_are_told_of_in_one_line() {
        let of = |members: &[(&str, &str)]| {
            let members: Vec<_> =
                members.iter().map(|(url, of)| ((*url).to_owned(), (*of).to_owned())).collect();
            warning(&members)
        };
        assert_eq!(of(&[("https://a:1", "3.6.9")]), None);
        let told =
            of(&[("https://a:1", "3.4.23"), ("https://b:1", "3.6.9"), ("https://c:1", "3.4.23")]).unwrap();
        assert!(told.starts_with("etcd 3.4.23 (https://a:1, https://c:1) is older"), "{told}");
        assert!(!told.contains('\n') && told.len() < 200, "{told}");
    }
}
