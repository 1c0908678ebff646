//! Which etcd is good enough, and what is at risk with another.

/// From these on, of each line that still had fixes, what follows is repaired. Lines after the last have it from the start.
const FIXED: &[(u32, u32)] = &[(4, 42), (5, 28), (6, 9)];

/// What to tell an operator whose member has this version; nothing if it is good enough.
pub(crate) fn warning(member: &str, version: &str) -> Option<String> {
    let mut numbers = version.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
    let (Some(major), Some(minor), Some(patch)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Some(format!(
            "etcd {member}: version {version:?} cannot be understood, so it is not known whether it is good enough"
        ));
    };
    let good = match (major, FIXED.iter().find(|(line, _)| *line == minor)) {
        (3, Some((_, fixed))) => patch >= *fixed,
        (3, None) => FIXED.last().is_some_and(|(last, _)| minor > *last),
        (newer, _) => newer > 3,
    };
    (!good).then(|| {
        format!(
            "etcd {member} is version {version}; stead asks for 3.4.42, 3.5.28, 3.6.9 or later. At risk with this one: a \
             member that was paused may read old data, users may get around permissions (CVE-2026-33413, -33343, \
             -44283), and a member that crashes may lose what it acknowledged, depending on the version. stead decides by \
             guarded writes only, which bad reads cannot mislead; update etcd all the same"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_first_good_version() {
        for good in ["3.4.42", "3.5.28", "3.5.30", "3.6.9", "3.7.0", "3.10.1", "4.0.0", "3.7.0-rc.1"] {
            assert_eq!(warning("e", good), None, "{good}");
        }
        for bad in ["3.4.23", "3.4.41", "3.5.0", "3.5.27", "3.6.8", "3.3.27", "2.3.8", "main", ""] {
            let told = warning("https://e:2379", bad).unwrap();
            assert!(told.contains("https://e:2379") && told.contains(bad), "{told}");
        }
    }
}
