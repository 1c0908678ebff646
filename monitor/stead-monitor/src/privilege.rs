//! What a Resource Monitor of root gives up before it loads a resource DLL: what no resource needs and all of the machine
//! would feel.

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Setting the clock, which every other process of the machine reads, and restarting the machine. All others are kept:
/// mounts, addresses, kernel modules and devices are the work of resources.
const GIVEN_UP: &[(&str, CapabilitySet)] =
    &[("CAP_SYS_TIME", CapabilitySet::SYS_TIME), ("CAP_SYS_BOOT", CapabilitySet::SYS_BOOT)];

/// `sets` without a capability.
fn without(sets: CapabilitySets, capability: CapabilitySet) -> CapabilitySets {
    CapabilitySets {
        effective: sets.effective - capability,
        permitted: sets.permitted - capability,
        inheritable: sets.inheritable - capability,
    }
}

/// Lets neither this thread, nor the threads and programs that it starts, set the clock or restart the machine. For
/// processes of one thread.
///
/// # Errors
/// When the kernel leaves one of them, with its name. The others are given up all the same.
pub(crate) fn give_up() -> io::Result<()> {
    let mut failed = None;
    for (name, capability) in GIVEN_UP {
        let bounded = match capability_is_in_bounding_set(*capability) {
            // A program that root starts gets what is in this set, whatever its parent has.
            Ok(true) => remove_capability_from_bounding_set(*capability),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        let held = capabilities(None).and_then(|sets| {
            let rest = without(sets, *capability);
            if rest == sets { Ok(()) } else { set_capabilities(None, rest) }
        });
        let root = rustix::process::geteuid().is_root();
        match bounded {
            // Nobody but root has what can be taken from there.
            Err(Errno::PERM) if !root => {}
            Ok(()) | Err(_) => {
                if let Err(error) = bounded.and(held) {
                    failed
                        .get_or_insert_with(|| io::Error::other(format!("{name} is not given up: {error}")));
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_held_no_more_and_nothing_else_is_missing() {
        let told = std::thread::spawn(|| {
            let before = capabilities(None).unwrap();
            give_up().unwrap();
            give_up().unwrap();
            (
                before,
                capabilities(None).unwrap(),
                std::fs::read_to_string("/proc/thread-self/status").unwrap(),
            )
        });
        let (before, after, status) = told.join().unwrap();
        let all = GIVEN_UP.iter().fold(CapabilitySet::empty(), |all, (_, one)| all | *one);
        assert_eq!(after.effective, before.effective - all);
        assert_eq!(after.permitted, before.permitted - all);
        let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
        let bounding = u64::from_str_radix(line.trim(), 16).unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(bounding & all.bits(), 0, "{bounding:x}");
        }
    }
}
