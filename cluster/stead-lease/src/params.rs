use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What stands behind the kernel's timers when they cannot end the work: a process in an uninterruptible sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watchdog {
    /// Nothing. A successor waits for the timers and the kill alone.
    Absent,
    /// A watchdog resets the machine within `w` of the last sign of life.
    Used,
    /// As `Used`, and a successor waits out the case that the guardian was stopped between looking and petting.
    Strict,
}

/// Sets of timings to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Solid state disks, one rack, etcd with an election timeout of 500 ms.
    Fast,
    /// etcd as it comes.
    Default,
    /// Wide area networks and busy virtual machines.
    Patient,
}

/// The timings of a node's session, published with it: whoever takes over from a node computes the wait from what that
/// node published, never from its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// The session is renewed once in this time.
    #[serde(rename = "h_ms", with = "millis")]
    pub h: Duration,
    /// Work may go on for this long after the last acknowledged renewal was *sent*.
    #[serde(rename = "D_ms", with = "millis")]
    pub d: Duration,
    /// From the kill at the deadline until everything is verified gone, at most.
    #[serde(rename = "K_ms", with = "millis")]
    pub k: Duration,
    /// From the watchdog's last sign of life until the machine is reset, at most.
    #[serde(rename = "W_ms", with = "millis")]
    pub w: Duration,
    /// What a successor has to wait out besides the timers.
    pub watchdog: Watchdog,
    /// How far the rate of this machine's clock may be off, in millionths.
    #[serde(rename = "rho_ppm")]
    pub rho_ppm: u32,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// Timings that cannot be kept, and the numbers that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadParams(String);

impl fmt::Display for BadParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadParams {}

/// What the store's answer may cost without being waited for: scheduling, and the way there and back.
const SLACK: Duration = Duration::from_millis(100);
/// Deadlines over this are no deadlines.
const LONGEST: Duration = Duration::from_secs(600);
/// NTP may slew a clock by this much, in millionths.
const SLEW_PPM: u32 = 500;
/// A clock that is off by more is broken, in millionths.
const BROKEN_PPM: u32 = 50_000;
const MILLION: u128 = 1_000_000;
/// The wait is rounded up to the next multiple of this.
const STEP: u128 = 100_000_000;

impl Params {
    /// A watchdog resets the machine, and successors wait for that.
    #[must_use]
    pub const fn watched(&self) -> bool {
        match self.watchdog {
            Watchdog::Absent => false,
            Watchdog::Used | Watchdog::Strict => true,
        }
    }
}

impl Profile {
    /// The timings, with a watchdog or without.
    #[must_use]
    pub fn params(self, watchdog: Watchdog) -> Params {
        let (h, d, k, w) = match self {
            Profile::Fast => (500, 2_000, 500, 1_000),
            Profile::Default => (1_000, 4_000, 1_000, 2_000),
            Profile::Patient => (3_000, 12_000, 3_000, 6_000),
        };
        let ms = Duration::from_millis;
        Params { h: ms(h), d: ms(d), k: ms(k), w: ms(w), watchdog, rho_ppm: 5_000 }
    }
}

impl Params {
    /// Checks that the timings can be kept.
    ///
    /// # Errors
    /// The first rule that is broken, with the numbers.
    pub fn check(&self) -> Result<(), BadParams> {
        let bad = |text: String| Err(BadParams(text));
        let (h, d, k, w) = (Seconds(self.h), Seconds(self.d), Seconds(self.k), Seconds(self.w));
        if self.h < SLACK {
            return bad(format!("a renewal every {h} is too often; at least {} apart", Seconds(SLACK)));
        }
        if self.d > LONGEST {
            return bad(format!("a deadline of {d} is too long; at most {}", Seconds(LONGEST)));
        }
        let least = self.h.saturating_mul(3).saturating_add(SLACK);
        if self.d < least {
            return bad(format!(
                "a deadline of {d} with a renewal every {h} ends the work when one answer is lost: it is missed after \
                 {h}, asked for {h} later, and renewed after that; at least {} is needed",
                Seconds(least)
            ));
        }
        if self.k < SLACK {
            return bad(format!("nothing can be verified gone in {k}; at least {}", Seconds(SLACK)));
        }
        if self.k > LONGEST || self.w > LONGEST {
            return bad(format!(
                "a kill of {k} or a watchdog of {w} is too long; at most {}",
                Seconds(LONGEST)
            ));
        }
        match self.watchdog {
            Watchdog::Absent => {}
            Watchdog::Used | Watchdog::Strict => {
                if self.w < Duration::from_secs(1) {
                    return bad(format!("a watchdog counts in seconds; {w} is less than one"));
                }
            }
        }
        if self.rho_ppm < SLEW_PPM || self.rho_ppm > BROKEN_PPM {
            return bad(format!(
                "a clock that is off by at most {} ppm: adjusting it takes {SLEW_PPM}, and over {BROKEN_PPM} it is broken",
                self.rho_ppm
            ));
        }
        Ok(())
    }

    /// After the send of the last renewal, on its own clock, the work of the session is gone by then.
    #[must_use]
    pub fn gone_after(&self) -> Duration {
        let behind = match self.watchdog {
            Watchdog::Absent => self.k,
            Watchdog::Used => self.k.max(self.w),
            Watchdog::Strict => self.k.max(self.w.saturating_mul(2)),
        };
        self.d.saturating_add(behind)
    }

    /// The bound itself: who waits longer than this, counted on a clock that is off by at most `observer_ppm`, from when
    /// it saw the last renewal, finds the work of the session gone.
    ///
    /// `T/(1+rho) > (D+K)/(1-rho)`, where the left rate is the observer's and the right one the session's.
    #[must_use]
    pub fn bound(&self, observer_ppm: u32) -> Duration {
        let own = u128::from(self.rho_ppm.min(BROKEN_PPM));
        let observer = u128::from(observer_ppm.clamp(self.rho_ppm.min(BROKEN_PPM), BROKEN_PPM));
        let nanos = self.gone_after().as_nanos().saturating_mul(MILLION + observer).div_ceil(MILLION - own);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long a successor waits: the next 100 ms over the [`bound`](Params::bound).
    #[must_use]
    pub fn wait(&self, observer_ppm: u32) -> Duration {
        let nanos = (self.bound(observer_ppm).as_nanos() / STEP + 1) * STEP;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// For how long the store may be silent without anything being stopped.
    #[must_use]
    pub fn survives(&self) -> Duration {
        self.d.saturating_sub(self.h).saturating_sub(SLACK)
    }

    /// What is promised with these timings, in one line.
    #[must_use]
    pub fn guarantee(&self) -> String {
        let wait = self.wait(self.rho_ppm);
        let early = wait.saturating_sub(self.h);
        let late = wait.saturating_add(Duration::from_millis(300));
        let watchdog = match self.watchdog {
            Watchdog::Absent => "no watchdog",
            Watchdog::Used => "watchdog",
            Watchdog::Strict => "strict watchdog",
        };
        format!(
            "a lost node's work ends within {} of its last renewal ({watchdog}), another node takes over {} to {} after \
             the loss, the database may be silent for {}",
            Seconds(self.gone_after()),
            Seconds(early),
            Seconds(late),
            Seconds(self.survives())
        )
    }
}

/// Seconds with the decimals that count.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(100) {
            write!(f, "{}.{} s", millis / 1_000, millis % 1_000 / 100)
        } else {
            write!(f, "{millis} ms")
        }
    }
}
