//! What a resource is asked before something becomes true: may it be deleted, may it have this dependency.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_resapi as abi;
use stead_resapi::{PropertyList, to_wide};

use super::super::trace::{Purpose, What};
use super::{Carried, Driver, Stop};

/// A resource that nobody has: agreeing to depend on it is no mistake, and refusing is none.
const PROVIDER: &str = "stead verify: a provider";

/// What a resource is like between two questions.
struct Standing {
    alive: bool,
    workload: Vec<u32>,
    properties: BTreeMap<String, String>,
}

impl Driver {
    fn standing(&self, index: u32, online: bool) -> Result<Standing, Stop> {
        let alive = online && self.poll(index, false)?;
        let read = self.read(index, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES, &Purpose::Full)?;
        let list = read.and_then(|answer| PropertyList::decode(&answer.output).ok()).unwrap_or_default();
        let properties =
            list.0.into_iter().map(|property| (property.name, format!("{:?}", property.values))).collect();
        Ok(Standing { alive, workload: self.world.workload().into_iter().collect(), properties })
    }

    /// Asks everything twice, and looks after each question whether anything has changed.
    pub(super) fn questions(&self, index: u32) -> Carried {
        if !self.dll()?.has_control() {
            return Err(Stop("its table has no control routine".to_owned()));
        }
        let name: Vec<u8> = to_wide(PROVIDER).iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let online = self.with(index, |slot| slot.online)?;
        let earlier = self.standing(index, online)?;
        let before = self.standing(index, online)?;
        // What changes by itself says nothing of a question.
        let steady: Vec<(&String, &String)> = before
            .properties
            .iter()
            .filter(|(name, value)| earlier.properties.get(*name) == Some(value))
            .collect();
        let questions = [
            (abi::CLUSCTL_RESOURCE_QUERY_DELETE, &[][..]),
            (abi::CLUSCTL_RESOURCE_QUERY_DELETE, &[]),
            (abi::CLUSCTL_RESOURCE_ADD_DEPENDENCY, &name),
            (abi::CLUSCTL_RESOURCE_REMOVE_DEPENDENCY, &name),
            (abi::CLUSCTL_RESOURCE_ADD_OWNER, &name),
            (abi::CLUSCTL_RESOURCE_REMOVE_OWNER, &name),
        ];
        for (code, input) in questions {
            self.ask(index, code, Purpose::Question, input, 0)?;
            let mut after = self.standing(index, online)?;
            // A helper that was started for the answer needs a moment to be gone.
            for _ in 0..40 {
                if online || after.workload.is_empty() {
                    break;
                }
                self.recorder.pause(Duration::from_millis(25));
                after.workload = self.world.workload().into_iter().collect();
            }
            let changed = steady.iter().filter(|(name, value)| after.properties.get(*name) != Some(*value));
            let changed = changed.map(|(name, _)| (*name).clone()).collect();
            self.say(What::Questioned {
                code,
                online,
                alive: (before.alive, after.alive),
                workload: (before.workload.clone(), after.workload),
                changed,
            });
        }
        Ok(())
    }
}
