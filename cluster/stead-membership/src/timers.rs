//! How soon a node is given up, and how long what runs on it may still live.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stead_lease::{Params, Watchdog};

/// Times that fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For etcd on fast disks in one rack.
    Fast,
    /// For most.
    #[default]
    Default,
    /// For wide areas and busy virtual machines.
    Patient,
}

impl Profile {
    /// Its times.
    #[must_use]
    pub const fn times(self) -> Timers {
        let (renewal_ms, deadline_ms, kill_ms, watchdog_ms) = match self {
            Profile::Fast => (500, 2_000, 500, 1_000),
            Profile::Default => (1_000, 4_000, 1_000, 2_000),
            Profile::Patient => (3_000, 12_000, 3_000, 6_000),
        };
        Timers { profile: Some(self), renewal_ms, deadline_ms, kill_ms, watchdog_ms }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Fast => "fast",
            Profile::Default => "default",
            Profile::Patient => "patient",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Profile::Fast, Profile::Default, Profile::Patient]
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| format!("{text:?} is no profile; there are: fast, default, patient"))
    }
}

/// The times of a node's session, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// The profile they are of; none if they were given one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The session is renewed so often (h).
    pub renewal_ms: u32,
    /// What runs here ends so long after the last renewal that was acknowledged was sent (D).
    pub deadline_ms: u32,
    /// Ending it takes so long at most (K).
    pub kill_ms: u32,
    /// The watchdog resets the machine when it was not petted for so long (W).
    pub watchdog_ms: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Profile::Default.times()
    }
}

/// The longest of all times: an hour is a mistake.
const LONGEST: u32 = 600_000;

/// Clocks are off by at most this much, in millionths: ten times what a good one is.
const RHO_PPM: u32 = 5_000;

/// The shortest.
const SHORTEST: u32 = 50;

impl Timers {
    /// Checks that the times can be kept, by the rules of the session. A successor computes its wait from them, so that it
    /// fits whatever they are.
    ///
    /// # Errors
    /// The rule that is broken, with its numbers.
    pub fn check(&self, watchdog: bool) -> Result<(), String> {
        let all = [
            ("renewal_ms", self.renewal_ms),
            ("deadline_ms", self.deadline_ms),
            ("kill_ms", self.kill_ms),
            ("watchdog_ms", self.watchdog_ms),
        ];
        for (name, value) in all {
            if !(SHORTEST..=LONGEST).contains(&value) {
                return Err(format!("{name} = {value} must be from {SHORTEST} to {LONGEST} ms"));
            }
        }
        self.params(watchdog).check().map_err(|error| {
            let Timers { profile: _, renewal_ms, deadline_ms, kill_ms, watchdog_ms } = self;
            format!(
                "renewal_ms = {renewal_ms}, deadline_ms = {deadline_ms}, kill_ms = {kill_ms}, watchdog_ms = \
                 {watchdog_ms} cannot be kept: {error}"
            )
        })
    }

    /// What the session is renewed and waited for by.
    #[must_use]
    pub fn params(&self, watchdog: bool) -> Params {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Params {
            h: ms(self.renewal_ms),
            d: ms(self.deadline_ms),
            k: ms(self.kill_ms),
            w: ms(self.watchdog_ms),
            watchdog: if watchdog { Watchdog::Used } else { Watchdog::Absent },
            rho_ppm: RHO_PPM,
        }
    }

    /// True if both mean the same, whatever they are called.
    #[must_use]
    pub fn same(&self, other: &Timers) -> bool {
        Timers { profile: None, ..*self } == Timers { profile: None, ..*other }
    }
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(profile) = self.profile {
            write!(f, "{}: ", profile.name())?;
        }
        let Timers { profile: _, renewal_ms, deadline_ms, kill_ms, watchdog_ms } = self;
        write!(
            f,
            "renewal {renewal_ms} ms, deadline {deadline_ms} ms, kill {kill_ms} ms, watchdog {watchdog_ms} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_keeps_the_rules() {
        for profile in [Profile::Fast, Profile::Default, Profile::Patient] {
            assert_eq!((profile.times().check(true), profile.times().check(false)), (Ok(()), Ok(())));
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("quick".parse::<Profile>().unwrap_err().contains("fast, default, patient"));
    }

    #[test]
    fn times_that_cannot_work_are_refused_with_their_numbers() {
        let times = Timers { renewal_ms: 3_000, ..Timers::default() };
        let told = times.check(false).unwrap_err();
        assert!(told.contains("deadline_ms = 4000") && told.contains("renewal_ms = 3000"), "{told}");
        for bad in [0, 49, 600_001, u32::MAX] {
            let told = Timers { kill_ms: bad, ..Timers::default() }.check(false).unwrap_err();
            assert!(told.contains(&format!("kill_ms = {bad}")), "{told}");
        }
    }
}
