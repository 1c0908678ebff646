/// What `stead verify` makes of a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// These rules are broken, at least; one of them is an error.
    Broken(&'static [&'static str]),
    /// It never comes online, and this rule is broken, which may be a warning. When the rest is broken as well is a matter
    /// of when its threads get a processor.
    Warned(&'static str),
    /// Nothing is broken, and why that is right, or cannot be otherwise.
    Clean(&'static str),
    /// It never comes online, which is no green light, and why no rule is named.
    NeverOnline(&'static str),
    /// It is not tried, and why.
    NotTried(&'static str),
}

use Says::{Broken, Clean, NeverOnline, NotTried, Warned};

const DIES: Says = Broken(&["process-survives"]);
const HANGS: Says = Broken(&["calls-return"]);
const LEAVES: Says = Broken(&["offline-stops", "terminate-stops"]);

/// What `stead verify` says of each behaviour of the resource DLL, in the order of [`crate::CASES`].
pub const JUDGED: &[(&str, Says)] = &[
    ("null-deref-in-online", DIES),
    ("abort-in-is-alive", DIES),
    ("stack-overflow-in-online", DIES),
    ("exit-in-offline", DIES),
    ("exit-from-a-thread", DIES),
    ("heap-smash-in-online", DIES),
    ("free-a-handle", DIES),
    ("close-keys-twice", Broken(&["key-handles"])),
    ("block-in-open", HANGS),
    ("block-in-online", HANGS),
    ("block-in-offline", HANGS),
    ("block-in-terminate", HANGS),
    ("block-in-close", HANGS),
    ("block-in-looks-alive", HANGS),
    ("block-in-is-alive", HANGS),
    ("spin-in-online", HANGS),
    ("pthread-exit-in-online", DIES),
    ("longjmp-out-of-online", DIES),
    ("throw-out-of-online", DIES),
    ("pending-in-silence", Broken(&["final-report"])),
    ("pending-for-ever", NeverOnline("progress that goes on cannot be told from an online that takes long")),
    ("online-before-return", Clean("a report may overtake the 997 of its call")),
    ("contradicting-reports", Broken(&["report-only-while-pending", "stop-when-told"])),
    ("nonsense-reports", Broken(&["report-valid", "report-own-handle"])),
    ("nonsense-log-lines", Broken(&["report-own-handle", "log-event"])),
    ("callback-storm", Warned("checkpoint-rises")),
    ("report-after-close", Broken(&["quiet-after-close"])),
    ("thread-outlives-close", Broken(&["report-only-while-pending", "quiet-after-close", "leak-threads"])),
    ("waits-for-itself", Clean("it runs a program that asks another cluster, and that answers at once")),
    ("terminate-beside-online", HANGS),
    ("counts-its-calls", Clean("no host brings online what is online")),
    ("daemon-by-double-fork", LEAVES),
    // Which of the two copies is seen first decides what else is.
    ("fork-and-return-in-both", Broken(&["terminate-stops"])),
    ("leave-the-cgroup", LEAVES),
    ("deaf-child", LEAVES),
    ("trace-and-stop-siblings", LEAVES),
    ("raise-sigstop", HANGS),
    ("kill-everything", Clean("its reach is the namespace of the run, whose first process is immune")),
    ("close-all-descriptors", DIES),
    ("garbage-into-all-descriptors", DIES),
    ("cover-the-link", Broken(&["leak-descriptors"])),
    ("read-others-messages", Clean("its child finds nothing")),
    ("fork-bomb", NotTried("the run has no limit on processes; try such a thing where there is one")),
    ("many-descriptors", Clean("it closes them again")),
    ("memory-leak", NotTried("the run has no limit on memory; what is lost in small is `leak-memory`")),
    ("fill-the-disk", NotTried("no rule says how much a file may hold")),
    ("lock-memory", Clean("it lets go of it again")),
    ("flood-of-output", Broken(&["quiet-after-close"])),
    ("change-the-process", Broken(&["process-unchanged"])),
    ("swallow-faults", HANGS),
    ("block-all-signals", HANGS),
    ("grab-the-socket", Clean("the socket is taken, and it closes its own")),
    ("change-the-clock", Clean("it may not, there either")),
    ("restart-the-machine", Clean("it may not, there either")),
    ("lie-about-online", Clean("it cannot be detected: `is-alive-notices` is not reached without a process")),
    ("offline-with-living-process", Broken(&["offline-stops"])),
    ("nonsense-lists", Broken(&["unknown-control", "short-buffer"])),
    ("write-past-the-buffer", Broken(&["buffer-overrun"])),
    ("write-after-return", Broken(&["late-write"])),
    ("hang-at-exit", HANGS),
];

impl Says {
    /// As the book has it.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Broken(rules) => {
                let rules: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
                rules.join(", ")
            }
            Warned(rule) => format!("never online (exit 3): `{rule}`"),
            Clean(why) => format!("nothing: {why}"),
            NeverOnline(why) => format!("never online (exit 3): {why}"),
            NotTried(why) => format!("not tried: {why}"),
        }
    }
}
