use std::time::Duration;

/// What a behaviour may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The Resource Monitor is lost with everything in it.
    Crash,
    /// The call is ended by its deadline, and its resource is to blame.
    Hang,
    /// The resource fails with this code; its monitor lives on.
    Failed(&'static str),
    /// Nothing: the resource stays Online, and so does its monitor.
    Ignored,
    /// Its test says what.
    Special,
}

/// One behaviour, and what must hold.
#[derive(Debug)]
pub struct Case {
    /// Of the sixty; several behaviours may be one case.
    pub number: u32,
    /// The value of `Behaviour`; also the name of the resource and its group.
    pub name: &'static str,
    /// What it does, and what must hold.
    pub sentence: &'static str,
    /// What it comes to.
    pub outcome: Outcome,
    /// A text in history or log, in a line that names the resource.
    pub evidence: &'static str,
    /// The outcome is there within this; more means that something hangs.
    pub bound: Duration,
    /// Common properties.
    pub common: &'static str,
    /// The test: file and function.
    pub test: &'static str,
}

/// A case that is no behaviour of the resource DLL here.
#[derive(Debug)]
pub struct Other {
    /// Of the sixty.
    pub number: u32,
    /// What happens.
    pub sentence: &'static str,
    /// Where it is tested, or why it is not.
    pub how: &'static str,
}

/// The case of a behaviour.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name:?} in the table"))
}

const fn row(
    number: u32,
    name: &'static str,
    sentence: &'static str,
    outcome: Outcome,
    evidence: &'static str,
    common: &'static str,
    test: &'static str,
) -> Case {
    Case { number, name, sentence, outcome, evidence, bound: Duration::from_secs(30), common, test }
}

const DEADLINE: &str = "DeadlockTimeout = 1000";
const LOOKED: &str = "DeadlockTimeout = 1000, LooksAlivePollInterval = 100, IsAlivePollInterval = 4294967295";
const POLLED: &str = "DeadlockTimeout = 1000, LooksAlivePollInterval = 100, IsAlivePollInterval = 100";

/// Every behaviour that a test drives.
pub const CASES: &[Case] = &[
    row(
        1,
        "null-deref-in-online",
        "writes to address 16 in Online",
        Outcome::Failed("ERROR_EXCEPTION_IN_RESOURCE_CALL"),
        "signal 11",
        "",
        "crashes",
    ),
    row(2, "abort-in-is-alive", "calls abort in IsAlive", Outcome::Crash, "signal 6", POLLED, "crashes"),
    row(
        3,
        "stack-overflow-in-online",
        "recurses without end in Online",
        Outcome::Failed("ERROR_EXCEPTION_IN_RESOURCE_CALL"),
        "signal 11",
        "",
        "crashes",
    ),
    row(
        4,
        "exit-in-offline",
        "calls exit(0) in Offline: a crash, not a success",
        Outcome::Special,
        "exited with status 0",
        "",
        "crashes",
    ),
    row(
        5,
        "exit-from-a-thread",
        "calls _exit(0) on a thread of its own: a crash",
        Outcome::Crash,
        "exited with status 0",
        "",
        "crashes",
    ),
    row(
        6,
        "heap-smash-in-online",
        "overwrites the heap, and returns success",
        Outcome::Crash,
        "was lost",
        "",
        "crashes",
    ),
    row(
        7,
        "free-a-handle",
        "frees its resource handle as if it were memory",
        Outcome::Crash,
        "was lost",
        "",
        "crashes",
    ),
    row(
        7,
        "close-keys-twice",
        "uses closed and invented key handles: refused",
        Outcome::Ignored,
        "dead handles were refused",
        "",
        "reports",
    ),
    row(
        8,
        "block-in-open",
        "never returns from Open",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        DEADLINE,
        "hangs",
    ),
    row(
        9,
        "block-in-online",
        "never returns from Online",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        DEADLINE,
        "hangs",
    ),
    row(
        10,
        "block-in-offline",
        "never returns from Offline",
        Outcome::Special,
        "was lost",
        DEADLINE,
        "hangs",
    ),
    row(
        11,
        "block-in-terminate",
        "never returns from Terminate",
        Outcome::Special,
        "was lost",
        DEADLINE,
        "hangs",
    ),
    row(12, "block-in-close", "never returns from Close", Outcome::Special, "was lost", DEADLINE, "hangs"),
    row(
        13,
        "block-in-looks-alive",
        "never returns from LooksAlive",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        LOOKED,
        "hangs",
    ),
    row(
        13,
        "block-in-is-alive",
        "never returns from IsAlive",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        POLLED,
        "hangs",
    ),
    row(
        14,
        "spin-in-online",
        "turns in circles in Online",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        DEADLINE,
        "hangs",
    ),
    row(
        15,
        "pthread-exit-in-online",
        "ends the thread that called Online",
        Outcome::Special,
        "was lost",
        DEADLINE,
        "hangs",
    ),
    row(
        16,
        "longjmp-out-of-online",
        "jumps into a frame that is gone",
        Outcome::Crash,
        "was lost",
        DEADLINE,
        "crashes",
    ),
    row(
        16,
        "throw-out-of-online",
        "throws an exception that nobody catches",
        Outcome::Crash,
        "was lost",
        DEADLINE,
        "crashes",
    ),
    row(
        17,
        "pending-in-silence",
        "returns 997 and never reports",
        Outcome::Failed("ERROR_TIMEOUT"),
        "PendingTimeout",
        "PendingTimeout = 500",
        "reports",
    ),
    row(
        18,
        "pending-for-ever",
        "reports progress for ever",
        Outcome::Failed("ERROR_TIMEOUT"),
        "ten times PendingTimeout",
        "PendingTimeout = 200",
        "reports",
    ),
    row(
        19,
        "online-before-return",
        "reports Online before Online has returned 997",
        Outcome::Ignored,
        "-> Online",
        "",
        "reports",
    ),
    row(
        20,
        "contradicting-reports",
        "reports Online, Online, Failed, Online, Offline",
        Outcome::Ignored,
        "broke the rule",
        "",
        "reports",
    ),
    row(
        21,
        "nonsense-reports",
        "reports with bad handles, states and wait hints",
        Outcome::Ignored,
        "broke the rule",
        "",
        "reports",
    ),
    row(
        22,
        "nonsense-log-lines",
        "logs NULL, 10 MiB, half characters and formats",
        Outcome::Ignored,
        "the last line of nonsense",
        "",
        "reports",
    ),
    row(
        23,
        "callback-storm",
        "reports and logs from 64 threads as fast as it can",
        Outcome::Failed("ERROR_TIMEOUT"),
        "ten times PendingTimeout",
        "PendingTimeout = 300",
        "storm",
    ),
    row(24, "report-after-close", "reports and logs after Close", Outcome::Special, "", "", "reports"),
    row(
        25,
        "thread-outlives-close",
        "a thread calls back while everything ends",
        Outcome::Special,
        "",
        "",
        "reports",
    ),
    row(
        26,
        "waits-for-itself",
        "asks the cluster in Online to take it offline, and waits",
        Outcome::Ignored,
        "the cluster refused",
        "",
        "hangs",
    ),
    row(
        27,
        "terminate-beside-online",
        "Online and Terminate run together, both long",
        Outcome::Special,
        "-> OnlinePending",
        "",
        "hangs",
    ),
    row(
        28,
        "counts-its-calls",
        "dies when it is brought online twice",
        Outcome::Ignored,
        "-> Online",
        "",
        "reports",
    ),
    row(
        29,
        "daemon-by-double-fork",
        "leaves a daemon behind",
        Outcome::Ignored,
        "the daemon lives",
        "",
        "processes",
    ),
    row(
        30,
        "fork-and-return-in-both",
        "returns from Online twice, in two processes",
        Outcome::Ignored,
        "the copy has ended",
        "",
        "processes",
    ),
    row(
        32,
        "leave-the-cgroup",
        "a child moves itself to the top of every control group",
        Outcome::Ignored,
        "the child has left",
        "",
        "processes",
    ),
    row(
        33,
        "deaf-child",
        "a child ignores every signal it can",
        Outcome::Ignored,
        "the child is deaf",
        "",
        "processes",
    ),
    row(
        35,
        "trace-and-stop-siblings",
        "a child traces and stops another",
        Outcome::Ignored,
        "the sibling is stopped",
        "",
        "processes",
    ),
    row(
        36,
        "raise-sigstop",
        "stops its own process",
        Outcome::Crash,
        "a signal had stopped it",
        "DeadlockTimeout = 60000",
        "hangs",
    ),
    row(
        37,
        "kill-everything",
        "kills its parent, process 1 and everybody",
        Outcome::Ignored,
        "everything in reach is dead",
        "",
        "processes",
    ),
    row(
        38,
        "close-all-descriptors",
        "closes every descriptor of its process",
        Outcome::Crash,
        "was lost",
        DEADLINE,
        "descriptors",
    ),
    row(
        39,
        "garbage-into-all-descriptors",
        "writes garbage into every descriptor",
        Outcome::Crash,
        "was lost",
        DEADLINE,
        "descriptors",
    ),
    row(
        40,
        "cover-the-link",
        "puts /dev/null over every socket",
        Outcome::Crash,
        "was lost",
        DEADLINE,
        "descriptors",
    ),
    row(
        40,
        "read-others-messages",
        "a child looks for messages and sockets it was not given",
        Outcome::Ignored,
        "there was nothing to steal",
        "",
        "descriptors",
    ),
    row(
        31,
        "fork-bomb",
        "forks as fast as it can, and its children too",
        Outcome::Special,
        "the bomb has gone off",
        "DeadlockTimeout = 30000",
        "limits",
    ),
    row(
        41,
        "many-descriptors",
        "opens 100,000 descriptors",
        Outcome::Ignored,
        "the limit on descriptors holds",
        "",
        "limits",
    ),
    row(
        42,
        "memory-leak",
        "takes memory until there is no more",
        Outcome::Failed("ERROR_NOT_ENOUGH_MEMORY"),
        "there is no more memory",
        "",
        "limits",
    ),
    row(
        45,
        "fill-the-disk",
        "writes until the disk is full",
        Outcome::Ignored,
        "the limit on files holds",
        "",
        "limits",
    ),
    row(
        43,
        "lock-memory",
        "maps a tebibyte and locks 256 MiB",
        Outcome::Ignored,
        "memory was let go",
        "",
        "descriptors",
    ),
    row(44, "flood-of-output", "prints 64 MiB", Outcome::Ignored, "64 MiB were printed", "", "descriptors"),
    row(
        46,
        "change-the-process",
        "sets limits to nothing, ignores signals, moves elsewhere",
        Outcome::Special,
        "nothing is as it was",
        "",
        "descriptors",
    ),
    row(
        47,
        "swallow-faults",
        "handles its own faults by doing nothing",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        DEADLINE,
        "hangs",
    ),
    row(
        48,
        "block-all-signals",
        "blocks every signal in every thread, and hangs",
        Outcome::Hang,
        "ERROR_RESOURCE_CALL_TIMED_OUT",
        DEADLINE,
        "hangs",
    ),
    row(
        53,
        "grab-the-socket",
        "binds the node's socket",
        Outcome::Ignored,
        "the socket is taken",
        "",
        "reports",
    ),
    row(
        54,
        "change-the-clock",
        "sets the system clock, itself and by a child",
        Outcome::Ignored,
        "the clock was left alone",
        "",
        "descriptors",
    ),
    row(
        54,
        "restart-the-machine",
        "restarts the machine",
        Outcome::Ignored,
        "the machine was left alone",
        "",
        "descriptors",
    ),
    row(
        55,
        "lie-about-online",
        "starts nothing, and says that it is alive",
        Outcome::Ignored,
        "-> Online",
        POLLED,
        "reports",
    ),
    row(
        56,
        "offline-with-living-process",
        "says that it is offline while its process lives",
        Outcome::Special,
        "-> Online",
        "",
        "processes",
    ),
    row(
        57,
        "nonsense-lists",
        "answers control codes with unfinished lists of 4 GiB",
        Outcome::Ignored,
        "-> Online",
        "",
        "buffers",
    ),
    row(
        58,
        "write-past-the-buffer",
        "writes eight bytes past the end of a buffer",
        Outcome::Crash,
        "signal 11",
        "",
        "buffers",
    ),
    row(
        59,
        "write-after-return",
        "writes into a buffer after the call has returned",
        Outcome::Crash,
        "signal 11",
        "",
        "buffers",
    ),
    row(
        60,
        "hang-at-exit",
        "leaves an exit handler that never returns",
        Outcome::Ignored,
        "the exit handler waits",
        "",
        "reports",
    ),
];

/// Every case that is no behaviour chosen by a property.
pub const OTHERS: &[Other] = &[
    Other {
        number: 34,
        sentence: "a child that sleeps in the kernel and cannot be killed",
        how: "not tested: it needs a file system that freezes; the warden's death is awaited, so nothing is reported gone",
    },
    Other {
        number: 49,
        sentence: "a constructor that hangs while the library is loaded",
        how: "files::a_constructor_that_hangs_is_ended_by_its_deadline",
    },
    Other {
        number: 50,
        sentence: "files that are no resource DLL",
        how: "load.rs of stead-e2e; hostile::a_type_that_does_not_load_is_refused_before_anything_changes",
    },
    Other {
        number: 51,
        sentence: "a library that is replaced, or cut short, while it is loaded",
        how: "files::a_file_that_is_replaced_is_not_mixed_with_the_one_in_use",
    },
    Other {
        number: 52,
        sentence: "two versions of one dependency",
        how: "files::two_versions_of_a_dependency_live_in_two_monitors",
    },
    Other { number: 54, sentence: "a system clock that jumps", how: "clock.rs of stead-e2e" },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn each_of_the_sixty_has_its_place_and_every_test_is_there() {
        let here = CASES.iter().map(|case| case.number).chain(OTHERS.iter().map(|other| other.number));
        assert_eq!(here.collect::<BTreeSet<u32>>(), (1..=60).collect());
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(root.join("dll/misbehave.c")).unwrap();
        let book = std::fs::read_to_string(root.join("../../book/hostile-plugins.md")).unwrap();
        let mut names = BTreeSet::new();
        for case in CASES {
            assert!(names.insert(case.name), "{} is there twice", case.name);
            assert!(source.contains(&format!("{{\"{}\", ON_", case.name)), "no behaviour {}", case.name);
            let test =
                std::fs::read_to_string(root.join("tests").join(case.test).with_extension("rs")).unwrap();
            assert!(
                test.contains(&format!("\"{}\"", case.name)),
                "{} does not test {}",
                case.test,
                case.name
            );
            let row = format!("| {} | `{}` | {} |", case.number, case.name, case.sentence);
            assert!(book.contains(&row), "book/hostile-plugins.md lacks the row\n{row}");
        }
        for other in OTHERS {
            assert!(book.contains(&format!("| {} | | {} |", other.number, other.sentence)), "{other:?}");
        }
    }
}
