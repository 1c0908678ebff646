//! The timings: which are refused, what a successor waits, what is promised.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use stead_lease::{Params, Profile, Sid, Watchdog, accepts};
use stead_types::Time;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_waits_of_the_profiles() {
    let waits = |profile: Profile| {
        [Watchdog::Absent, Watchdog::Used, Watchdog::Strict]
            .map(|watchdog| profile.params(watchdog).wait(5_000).as_millis())
    };
    assert_eq!(waits(Profile::Fast), [2_600, 3_100, 4_100]);
    assert_eq!(waits(Profile::Default), [5_100, 6_100, 8_100]);
    assert_eq!(waits(Profile::Patient), [15_200, 18_200, 24_300]);
}

#[test]
fn every_profile_can_be_kept_and_outlives_an_election() {
    for profile in [Profile::Fast, Profile::Default, Profile::Patient] {
        for watchdog in [Watchdog::Absent, Watchdog::Used, Watchdog::Strict] {
            assert_eq!(profile.params(watchdog).check(), Ok(()));
        }
    }
    // The longest stall measured with etcd's timings of each profile.
    assert!(Profile::Fast.params(Watchdog::Absent).survives() >= ms(1_400));
    assert!(Profile::Default.params(Watchdog::Absent).survives() >= ms(2_700));
    assert!(Profile::Patient.params(Watchdog::Absent).survives() >= ms(6_000));
}

#[test]
fn the_wait_is_over_the_bound_for_all_timings() {
    for k in [100, 999, 1_000, 30_000] {
        for d in [1_000, 3_999, 4_000, 600_000] {
            for rho_ppm in [500, 5_000, 50_000] {
                let params =
                    Params { d: ms(d), k: ms(k), rho_ppm, ..Profile::Default.params(Watchdog::Absent) };
                let wait = params.wait(rho_ppm);
                assert!(wait > params.bound(rho_ppm));
                // T/(1+rho) > (D+K)/(1-rho), multiplied out.
                let (rho, million) = (u128::from(rho_ppm), 1_000_000);
                assert!(wait.as_nanos() * (million - rho) > ms(d + k).as_nanos() * (million + rho));
                assert!(wait <= params.bound(rho_ppm) + ms(100));
            }
        }
    }
}

#[test]
fn a_successor_with_a_worse_clock_waits_longer() {
    let params = Profile::Default.params(Watchdog::Absent);
    assert!(params.bound(20_000) > params.bound(5_000));
    assert_eq!(params.bound(500), params.bound(5_000), "the victim's published rate bounds both");
}

#[test]
fn timings_that_cannot_be_kept_are_refused_with_the_numbers() {
    let good = Profile::Default.params(Watchdog::Used);
    let refusals: Vec<String> = [
        Params { h: ms(50), ..good },
        Params { d: ms(3_000), ..good },
        Params { d: Duration::from_secs(601), ..good },
        Params { k: ms(10), ..good },
        Params { k: Duration::from_secs(3_600), ..good },
        Params { w: ms(500), ..good },
        Params { rho_ppm: 100, ..good },
        Params { rho_ppm: 60_000, ..good },
    ]
    .iter()
    .map(|params| params.check().unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
    assert_eq!(Params { w: ms(500), watchdog: Watchdog::Absent, ..good }.check(), Ok(()));
}

#[test]
fn the_guarantee_in_one_line() {
    let lines: Vec<String> = [
        Profile::Default.params(Watchdog::Absent),
        Profile::Default.params(Watchdog::Used),
        Profile::Fast.params(Watchdog::Strict),
    ]
    .iter()
    .map(Params::guarantee)
    .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_guard_takes_its_own_sessions_deadlines_that_a_renewal_can_grant() {
    let (now, d) = (Time::from_millis(1_000), ms(4_000));
    assert!(accepts(Sid(1), d, Sid(1), Time::from_millis(5_000), now));
    assert!(!accepts(Sid(1), d, Sid(1), Time::from_millis(5_001), now), "further than any renewal grants");
    assert!(!accepts(Sid(1), d, Sid(2), Time::from_millis(2_000), now), "of another session");
    assert!(!accepts(Sid(1), d, Sid(1), Time::NEVER, now));
}
