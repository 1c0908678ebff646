use std::fmt;
use std::str::FromStr;

/// What ends a resource for certain when its node loses its session: what its resource type declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum FenceClass {
    /// Nothing on this machine does: what it started lives elsewhere. It is taken over only when the machine's end is
    /// confirmed by a fence agent or a person.
    F0,
    /// The end of its processes.
    #[default]
    F1,
    /// The end of its processes and of their namespace, with its mounts.
    F2,
    /// The end of a control group of its own, as of a service or a container.
    F3,
    /// What the guardian takes away after the processes.
    F4,
    /// Only a reset of the machine, by its watchdog.
    F5,
}

impl FenceClass {
    /// All of them.
    pub const ALL: [FenceClass; 6] =
        [FenceClass::F0, FenceClass::F1, FenceClass::F2, FenceClass::F3, FenceClass::F4, FenceClass::F5];

    /// What ends a resource of this class, and what that does not reach, for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            FenceClass::F0 => "nothing here: it is taken over only when the end of its machine is confirmed",
            FenceClass::F1 => "its processes: the kernel ends them at the deadline",
            FenceClass::F2 => "its processes and their namespace, with its mounts",
            FenceClass::F3 => "a control group of its own, which the guardian kills",
            FenceClass::F4 => {
                "taken away by the guardian after the processes; while the guardian stands still it stays"
            }
            FenceClass::F5 => "a reset of the machine by its watchdog, and nothing less",
        }
    }
}

impl fmt::Display for FenceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FenceClass::F0 => "F0",
            FenceClass::F1 => "F1",
            FenceClass::F2 => "F2",
            FenceClass::F3 => "F3",
            FenceClass::F4 => "F4",
            FenceClass::F5 => "F5",
        })
    }
}

impl FromStr for FenceClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        FenceClass::ALL
            .into_iter()
            .find(|class| class.to_string() == text)
            .ok_or_else(|| format!("fence_class is {text:?}; it must be one of F0, F1, F2, F3, F4 and F5"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_as_they_are_written() {
        for class in FenceClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        assert_eq!(
            FenceClass::default(),
            FenceClass::F1,
            "of a DLL that says nothing only processes are known"
        );
        let error = "f1".parse::<FenceClass>().unwrap_err();
        assert_eq!(error, "fence_class is \"f1\"; it must be one of F0, F1, F2, F3, F4 and F5");
    }
}
