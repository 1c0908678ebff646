//! Start-up and `Open`.

use stead_resapi as abi;

use super::super::judge::{Evidence, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::What;
use super::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unknown-type-refused",
        title: "Start-up refuses a resource type it does not serve with 5080",
        page: "resapi/nc-resapi-pstartup_ex_routine",
        severity: Severity::Error,
        explanation: "One DLL may serve several types, and a misspelt name must not silently become another type.",
        remedy: "Compare ResourceType, ignoring case, and return ERROR_CLUSTER_RESNAME_NOT_FOUND for all others.",
        trials: &[Trial::UnknownType],
        judge: unknown_type,
    },
    Rule {
        id: "version-negotiated",
        title: "Start-up agrees on a version between Min and Max, or refuses with 1306",
        page: "resapi/nc-resapi-pstartup_ex_routine",
        severity: Severity::Error,
        explanation: "A table of a version that was not asked for is called with the wrong arguments.",
        remedy: "Return ERROR_REVISION_MISMATCH unless a version you have lies between the two.",
        trials: &[Trial::Versions, Trial::OldestVersion, Trial::Lifecycle],
        judge: versions,
    },
    Rule {
        id: "function-table",
        title: "The function table is whole: size, version and the seven entry points that must be there",
        page: "resapi/ns-resapi-clres_function_table",
        severity: Severity::Error,
        explanation: "The monitor refuses a table that lacks Open, Close, Online, Offline, Terminate, LooksAlive or IsAlive.",
        remedy: "Fill the table with the CLRES_Vn_FUNCTION_TABLE macro of resapi.h.",
        trials: &[Trial::Lifecycle],
        judge: table,
    },
    Rule {
        id: "arbitrate-with-release",
        title: "Arbitrate and Release are both there, or neither",
        page: "resapi/nc-resapi-parbitrate_routine",
        severity: Severity::Warning,
        explanation: "The two together make a type fit to be a quorum resource; one alone is of no use.",
        remedy: "Set both, or leave both NULL.",
        trials: &[Trial::Lifecycle],
        judge: arbitrate,
    },
    Rule {
        id: "open-without-properties",
        title: "Open succeeds although no property is set yet",
        page: "resapi/nc-resapi-popen_routine",
        severity: Severity::Warning,
        explanation: "A resource is opened when it is created, which is before its properties are set.",
        remedy: "Check what matters only online in Online.",
        trials: &[Trial::Bare],
        judge: bare_open,
    },
    Rule {
        id: "open-error-told",
        title: "Open that fails says why by SetLastError",
        page: "resapi/nc-resapi-popen_routine",
        severity: Severity::Warning,
        explanation: "The operator is shown the code; without one it is 5017, which says nothing.",
        remedy: "Call SetLastError before returning NULL.",
        trials: &[Trial::NoKey, Trial::Bare, Trial::Lifecycle],
        judge: open_error,
    },
];

fn unknown_type(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::UnknownType) {
        for (at, record) in observed.records.iter().enumerate() {
            let What::Startup { entry, returned, type_name, .. } = &record.what else { continue };
            tally.case(*returned == abi::ERROR_CLUSTER_RESNAME_NOT_FOUND, observed, (0, at), || {
                let code = stead_types::Code(*returned);
                format!("{entry} was asked for the type {type_name:?} and answered {code}")
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::UnknownType], "no start-up routine was called"))
}

fn versions(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for trial in [Trial::Versions, Trial::OldestVersion, Trial::Lifecycle] {
        let Some(observed) = evidence.of(trial) else { continue };
        for (at, record) in observed.records.iter().enumerate() {
            let What::Startup { entry, min, max, returned, table, type_name } = &record.what else {
                continue;
            };
            // What the trial's own loading says has no name: it was looked at already.
            if type_name.is_empty() {
                continue;
            }
            let here = (at.saturating_sub(1), at);
            if trial == Trial::Versions {
                tally.case(*returned == abi::ERROR_REVISION_MISMATCH, observed, here, || {
                    let code = stead_types::Code(*returned);
                    format!("{entry} was offered versions {min:#x} to {max:#x} and answered {code}")
                });
            } else if let Some(table) = table {
                tally.case((*min..=*max).contains(&table.version), observed, here, || {
                    format!("{entry} was offered versions {min:#x} to {max:#x} and gave {:#x}", table.version)
                });
            } else if trial == Trial::OldestVersion && *returned != 0 {
                tally.case(*returned == abi::ERROR_REVISION_MISMATCH, observed, here, || {
                    let code = stead_types::Code(*returned);
                    format!("{entry} was offered version {max:#x} only and answered {code}")
                });
            }
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Versions], "no start-up routine was called"))
}

const MANDATORY: [&str; 7] = ["Open", "Close", "Online", "Offline", "Terminate", "LooksAlive", "IsAlive"];

fn table(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Lifecycle) {
        for (at, record) in observed.records.iter().enumerate() {
            let What::Startup { entry, returned: 0, table, type_name, .. } = &record.what else { continue };
            if type_name.is_empty() {
                continue;
            }
            let here = (at.saturating_sub(1), at);
            let Some(table) = table else {
                tally.breach(observed, here.0, here.1, format!("{entry} succeeded without a table"));
                continue;
            };
            let needed = match table.version {
                abi::CLRES_VERSION_V1_00 => size_of::<abi::CLRES_V1_FUNCTIONS>(),
                abi::CLRES_VERSION_V2_00 => size_of::<abi::CLRES_V2_FUNCTIONS>(),
                abi::CLRES_VERSION_V3_00 => size_of::<abi::CLRES_V3_FUNCTIONS>(),
                abi::CLRES_VERSION_V4_00 => size_of::<abi::CLRES_V4_FUNCTIONS>(),
                // Which version is right is another rule.
                _ => continue,
            };
            if (table.size as usize) < needed {
                let text =
                    format!("TableSize is {}, version {:#x} needs {needed}", table.size, table.version);
                tally.breach(observed, here.0, here.1, text);
                continue;
            }
            let missing: Vec<&str> = MANDATORY
                .iter()
                .zip(&table.present)
                .filter(|(_, present)| !**present)
                .map(|(name, _)| *name)
                .collect();
            tally.case(missing.is_empty(), observed, here, || {
                format!("the table has no {}", missing.join(", "))
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "start-up gave no table"))
}

fn arbitrate(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Lifecycle) {
        for (at, record) in observed.records.iter().enumerate() {
            let What::Startup { table: Some(table), .. } = &record.what else { continue };
            let (Some(arbitrate), Some(release)) = (table.present.get(7), table.present.get(8)) else {
                continue;
            };
            tally.case(arbitrate == release, observed, (at.saturating_sub(1), at), || {
                let (has, lacks) =
                    if *arbitrate { ("Arbitrate", "Release") } else { ("Release", "Arbitrate") };
                format!("the table has {has} and no {lacks}")
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "start-up gave no table"))
}

fn bare_open(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Bare) {
        for call in observed.calls().filter(|call| call.entry == "Open") {
            let Some(to) = call.to else { continue };
            tally.case(call.value != 0, observed, (call.from, to), || {
                format!("Open without any property failed with {}", stead_types::Code(call.last_error))
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Bare], "Open was not called"))
}

fn open_error(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in &evidence.trials {
        for call in observed.calls().filter(|call| call.entry == "Open" && call.value == 0) {
            let Some(to) = call.to else { continue };
            tally.case(call.last_error != 0, observed, (call.from, to), || {
                "Open returned NULL and left the last error at 0".to_owned()
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::NoKey], "Open never failed"))
}
