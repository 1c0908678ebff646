//! The rules of the contract: what each says, where it is written, and how a trace tells whether it was kept.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "records are filtered: each place wants a kind or two of many"
)]

use serde::Serialize;

use super::judge::{Evidence, Verdict};
use super::plan::Trial;

mod controls;
mod health;
pub(super) mod leaks;
mod process;
mod questions;
mod reports;
mod startup;
mod stopping;

#[cfg(test)]
mod tests;

/// How bad it is to break a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// A resource of this type will fail, hang, or run twice.
    Error,
    /// It will work, but not as well as the documentation lets its users expect.
    Warning,
    /// It could be better.
    Advice,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "advice",
        }
    }
}

/// A rule of the contract.
#[derive(Debug)]
pub(crate) struct Rule {
    /// In words joined by dashes; never changes.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// The page of Windows' documentation it is from.
    pub(crate) page: &'static str,
    pub(crate) severity: Severity,
    /// Why it matters.
    pub(crate) explanation: &'static str,
    /// What to do where it is broken.
    pub(crate) remedy: &'static str,
    /// The trials that show it; empty: all of them.
    pub(crate) trials: &'static [Trial],
    pub(crate) judge: fn(&Evidence) -> Verdict,
}

/// All rules, in the order of the life of a resource.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        startup::RULES,
        reports::RULES,
        health::RULES,
        stopping::RULES,
        controls::RULES,
        questions::RULES,
        leaks::RULES,
        process::RULES,
    ]
    .into_iter()
    .flatten()
}
