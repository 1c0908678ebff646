//! Settings of the cluster: what the coordinator and the nodes go by, and how operators name them.

use std::collections::BTreeMap;
use std::time::Duration;

/// Settings of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Anti-affinity is a rule, not a wish.
    pub enforced_anti_affinity: bool,
    /// How long a group waits for one of its preferred owners when the cluster starts.
    pub group_wait_delay: Duration,
    /// How long a group waits for the groups it depends on; then it is started anyway.
    pub group_dependency_timeout: Duration,
    /// So many ungraceful leaves within `quarantine_window` keep a node out; 0 keeps none out.
    pub quarantine_threshold: u32,
    /// How long an ungraceful leave counts.
    pub quarantine_window: Duration,
    /// For how long a node is kept out; none is until someone ends it.
    pub quarantine_duration: Option<Duration>,
    /// How many groups of one node are moved at once when it is drained.
    pub drained_at_once: usize,
    /// When a failback, or a drain with `RETRY_DRAIN_ON_FAILURE`, that failed is tried again.
    pub move_retry: Duration,
    /// When a failover that the owner did not carry out is tried again.
    pub failover_retry: Duration,
    /// A failover counts at least so long, whatever the group's failover period is: with 0 hours a group that fails
    /// everywhere would be sent around without end.
    pub failover_counts_at_least: Duration,
    /// After so many renewals that did not come a silent node is fenced. It is called silent after two.
    pub fence_after_renewals: u32,
    /// A fence device that did not confirm is asked again after this.
    pub fence_retry: Duration,
    /// How long a node that shuts down waits for its groups to be moved.
    pub shutdown_move_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enforced_anti_affinity: false,
            group_wait_delay: Duration::from_secs(120),
            group_dependency_timeout: Duration::from_secs(600),
            quarantine_threshold: 3,
            quarantine_window: Duration::from_secs(3_600),
            quarantine_duration: Some(Duration::from_secs(7_200)),
            drained_at_once: 2,
            move_retry: Duration::from_secs(900),
            failover_retry: Duration::from_secs(60),
            failover_counts_at_least: Duration::from_secs(900),
            fence_after_renewals: 3,
            fence_retry: Duration::from_secs(30),
            shutdown_move_timeout: Duration::from_secs(120),
        }
    }
}

/// A setting as operators know it: a name and a number.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Windows' name, where it has one.
    pub name: &'static str,
    /// What the number counts: `s`, `groups`; empty for 0 or 1.
    pub unit: &'static str,
    /// The smallest number it takes.
    pub smallest: u32,
    /// The largest.
    pub largest: u32,
    /// What it does, in a sentence.
    pub about: &'static str,
    get: fn(&Settings) -> u32,
    set: fn(&mut Settings, u32),
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

const fn after(seconds: u32) -> Duration {
    Duration::from_secs(seconds as u64)
}

/// A day: what is longer is a mistake.
const DAY: u32 = 86_400;

impl Property {
    /// Every setting there is, by name.
    ///
    /// Windows: mscs/clusters-quarantinethreshold
    /// Note: the page counts within minutes; here, as in event 1672, within an hour (`QuarantineWindow`).
    pub const ALL: &'static [Property] = &[
        Property {
            name: "ClusterEnforcedAntiAffinity",
            unit: "",
            smallest: 0,
            largest: 1,
            about: "1: groups that repel each other are never on one node; 0: rather not",
            get: |settings| settings.enforced_anti_affinity.into(),
            set: |settings, number| settings.enforced_anti_affinity = number != 0,
        },
        Property {
            name: "ClusterGroupWaitDelay",
            unit: "s",
            smallest: 0,
            largest: 3_600,
            about: "how long a group waits for a preferred owner when the cluster starts",
            get: |settings| seconds(settings.group_wait_delay),
            set: |settings, number| settings.group_wait_delay = after(number),
        },
        Property {
            name: "DrainedAtOnce",
            unit: "groups",
            smallest: 1,
            largest: 1_000,
            about: "how many groups of a node are moved at once when it is drained",
            get: |settings| u32::try_from(settings.drained_at_once).unwrap_or(u32::MAX),
            set: |settings, number| settings.drained_at_once = number as usize,
        },
        Property {
            name: "FailoverCountsAtLeast",
            unit: "s",
            smallest: 60,
            largest: DAY,
            about: "how long a failover counts, however short the failover period of its group is",
            get: |settings| seconds(settings.failover_counts_at_least),
            set: |settings, number| settings.failover_counts_at_least = after(number),
        },
        Property {
            name: "FailoverRetryDelay",
            unit: "s",
            smallest: 1,
            largest: DAY,
            about: "when a failover that its owner did not carry out is tried again",
            get: |settings| seconds(settings.failover_retry),
            set: |settings, number| settings.failover_retry = after(number),
        },
        Property {
            name: "FenceAfterRenewals",
            unit: "renewals",
            smallest: 3,
            largest: 1_000,
            about: "after how many renewals that did not come a silent node is fenced, if there is a device for it",
            get: |settings| settings.fence_after_renewals,
            set: |settings, number| settings.fence_after_renewals = number,
        },
        Property {
            name: "FenceRetryDelay",
            unit: "s",
            smallest: 1,
            largest: DAY,
            about: "when a fence device that did not confirm is asked again",
            get: |settings| seconds(settings.fence_retry),
            set: |settings, number| settings.fence_retry = after(number),
        },
        Property {
            name: "GroupDependencyTimeout",
            unit: "s",
            smallest: 0,
            largest: DAY,
            about: "how long a group waits for the groups it depends on; then it is started anyway",
            get: |settings| seconds(settings.group_dependency_timeout),
            set: |settings, number| settings.group_dependency_timeout = after(number),
        },
        Property {
            name: "MoveRetryDelay",
            unit: "s",
            smallest: 1,
            largest: DAY,
            about: "when a failback or a drain with --retry that failed is tried again",
            get: |settings| seconds(settings.move_retry),
            set: |settings, number| settings.move_retry = after(number),
        },
        Property {
            name: "QuarantineDuration",
            unit: "s",
            smallest: 1,
            largest: u32::MAX,
            about: "how long a node in quarantine takes no groups; 4294967295: until somebody ends it",
            get: |settings| settings.quarantine_duration.map_or(u32::MAX, seconds),
            set: |settings, number| {
                settings.quarantine_duration = (number != u32::MAX).then_some(after(number));
            },
        },
        Property {
            name: "QuarantineThreshold",
            unit: "times",
            smallest: 0,
            largest: 1_000,
            about: "how often a node leaves without a word within QuarantineWindow until it is quarantined; 0: never",
            get: |settings| settings.quarantine_threshold,
            set: |settings, number| settings.quarantine_threshold = number,
        },
        Property {
            name: "QuarantineWindow",
            unit: "s",
            smallest: 1,
            largest: DAY,
            about: "how long it counts that a node has left without a word",
            get: |settings| seconds(settings.quarantine_window),
            set: |settings, number| settings.quarantine_window = after(number),
        },
        Property {
            name: "ShutdownMoveTimeout",
            unit: "s",
            smallest: 0,
            largest: DAY,
            about: "how long a node that shuts down waits for its groups to be moved; then it takes them offline",
            get: |settings| seconds(settings.shutdown_move_timeout),
            set: |settings, number| settings.shutdown_move_timeout = after(number),
        },
    ];

    /// The number of this setting.
    #[must_use]
    pub fn of(&self, settings: &Settings) -> u32 {
        (self.get)(settings)
    }
}

impl Settings {
    /// Settings from numbers by name; case makes no difference. What is not named is as it is without a word.
    ///
    /// # Errors
    /// Everything that is wrong: the name given, and a sentence.
    pub fn read(numbers: &BTreeMap<String, u64>) -> Result<Settings, Vec<(String, String)>> {
        let mut settings = Settings::default();
        let (mut problems, mut seen) = (Vec::new(), Vec::new());
        for (name, number) in numbers {
            let Some(property) = Property::ALL.iter().find(|known| known.name.eq_ignore_ascii_case(name))
            else {
                let known: Vec<&str> = Property::ALL.iter().map(|known| known.name).collect();
                let text = format!("there is no setting {name}; there are: {}", known.join(", "));
                problems.push((name.clone(), text));
                continue;
            };
            let Property { name: proper, smallest, largest, set, .. } = property;
            if seen.contains(proper) {
                problems.push((name.clone(), format!("{proper} is there twice; case makes no difference")));
            }
            seen.push(proper);
            match u32::try_from(*number).ok().filter(|number| (*smallest..=*largest).contains(number)) {
                Some(number) => set(&mut settings, number),
                None => {
                    let text = format!("{proper} is {number}; it must be from {smallest} to {largest}");
                    problems.push((name.clone(), text));
                }
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// The numbers that are not as they are without a word.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<String, u64> {
        let plain = Settings::default();
        let changed = Property::ALL.iter().filter(|property| property.of(self) != property.of(&plain));
        changed.map(|property| (property.name.to_owned(), property.of(self).into())).collect()
    }
}

/// A change of settings: what it changes, from which number to which, and of nothing else. Between two that change
/// different settings, neither takes the other back, whichever was planned first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsChange {
    from: Settings,
    to: Settings,
}

impl SettingsChange {
    /// What makes the second out of the first.
    #[must_use]
    pub const fn new(from: Settings, to: Settings) -> Self {
        SettingsChange { from, to }
    }

    /// What changes: the setting, its number before, and after.
    pub fn changed(&self) -> impl Iterator<Item = (&'static Property, u32, u32)> {
        let numbers = |known: &'static Property| (known, known.of(&self.from), known.of(&self.to));
        Property::ALL.iter().map(numbers).filter(|(_, from, to)| from != to)
    }

    /// These settings with the change. What it does not change stays, even if it is not as it was when this was planned.
    #[must_use]
    pub fn on(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        for (property, _, to) in self.changed() {
            (property.set)(&mut settings, to);
        }
        settings
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_no_other_back() {
        let plain = Settings::default();
        let planned = |change: fn(&mut Settings)| {
            let mut to = plain.clone();
            change(&mut to);
            SettingsChange::new(plain.clone(), to)
        };
        let first = planned(|settings| settings.quarantine_threshold = 7);
        let second = planned(|settings| settings.drained_at_once = 9);
        let both = second.on(&first.on(&plain));
        assert_eq!((both.quarantine_threshold, both.drained_at_once), (7, 9));
        assert_eq!(both, first.on(&second.on(&plain)));
        let told: Vec<(&str, u32, u32)> =
            first.changed().map(|(property, from, to)| (property.name, from, to)).collect();
        assert_eq!(told, [("QuarantineThreshold", 3, 7)]);
    }

    fn numbers(given: &[(&str, u64)]) -> BTreeMap<String, u64> {
        given.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    #[test]
    fn every_setting_is_read_and_told_as_it_was_given() {
        for property in Property::ALL {
            let plain = property.of(&Settings::default());
            assert!((property.smallest..=property.largest).contains(&plain), "{}", property.name);
            for number in [property.smallest, property.largest, plain] {
                let settings = Settings::read(&numbers(&[(property.name, number.into())])).unwrap();
                assert_eq!(property.of(&settings), number, "{}", property.name);
                let told =
                    if number == plain { numbers(&[]) } else { numbers(&[(property.name, number.into())]) };
                assert_eq!(settings.numbers(), told, "{}: no other setting changes", property.name);
            }
        }
        let names: Vec<&str> = Property::ALL.iter().map(|property| property.name).collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    /// mscs/clusters-quarantinethreshold, and its like.
    #[test]
    fn without_a_word_the_documented_numbers_count() {
        let plain = |name: &str| {
            let property = Property::ALL.iter().find(|property| property.name == name).unwrap();
            property.of(&Settings::default())
        };
        assert_eq!(plain("QuarantineThreshold"), 3);
        assert_eq!(plain("QuarantineDuration"), 7_200);
        assert_eq!(plain("ClusterGroupWaitDelay"), 120);
        assert_eq!(plain("GroupDependencyTimeout"), 600);
        assert_eq!(plain("ClusterEnforcedAntiAffinity"), 0);
    }

    #[test]
    fn until_cleared_by_hand_is_the_largest_number() {
        let settings = Settings::read(&numbers(&[("quarantineduration", 0xFFFF_FFFF)])).unwrap();
        assert_eq!(settings.quarantine_duration, None);
    }

    #[test]
    fn what_is_unknown_or_out_of_bounds_is_named_with_what_would_be_right() {
        let given = numbers(&[
            ("QuarantineTreshold", 4),
            ("ClusterGroupWaitDelay", 3_601),
            ("FenceAfterRenewals", 2),
            ("MoveRetryDelay", 10),
            ("moveretrydelay", 10),
        ]);
        let problems = Settings::read(&given).unwrap_err();
        let shown: Vec<String> = problems.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
        let shown = shown.join("\n");
        for expected in [
            "QuarantineTreshold: there is no setting QuarantineTreshold; there are: ClusterEnforcedAntiAffinity, ",
            "ClusterGroupWaitDelay is 3601; it must be from 0 to 3600",
            "FenceAfterRenewals is 2; it must be from 3 to 1000",
            "moveretrydelay: MoveRetryDelay is there twice",
        ] {
            assert!(shown.contains(expected), "{expected:?} is missing in:\n{shown}");
        }
    }
}
