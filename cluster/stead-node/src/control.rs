//! Control codes that clients send.

use stead_api::{Controlled, Failure};
use stead_monitor_protocol::{Hex, TypeFacts};
use stead_types::{Code, ResourceName, TypeName};
use tokio::sync::oneshot;

use crate::common;
use crate::node::{ControlAsker, Node};
use crate::report;

/// The largest answer to a control code.
const LARGEST_OUTPUT: u32 = 65_536;

impl Node {
    pub(crate) fn control(
        &mut self,
        resource: &ResourceName,
        control: &stead_api::Control,
        answer: oneshot::Sender<Result<Controlled, Failure>>,
    ) {
        let refuse = |code: Code, detail: &str| Failure {
            what: format!("resource \"{resource}\": control"),
            error: report::code(code),
            detail: detail.to_owned(),
        };
        let Ok(in_buffer) = control.in_buffer.parse::<Hex>() else {
            let _ = answer
                .send(Err(refuse(Code::ERROR_INVALID_PARAMETER, "in_buffer must be hexadecimal digits")));
            return;
        };
        if self.group_of(resource).is_none() {
            let _ = answer.send(Err(refuse(
                Code::ERROR_RESOURCE_NOT_FOUND,
                "there is no such resource; see `stead status`",
            )));
            return;
        }
        match self.monitors.control(resource, control.code, in_buffer, LARGEST_OUTPUT) {
            Some(op) => drop(self.controls.insert(op, ControlAsker::Client(answer))),
            None => {
                let detail = "it is not open: a resource is opened when it is first brought online";
                let _ = answer.send(Err(refuse(Code::ERROR_RESOURCE_NOT_AVAILABLE, detail)));
            }
        }
    }

    pub(crate) fn type_control(
        &mut self,
        name: &TypeName,
        control: &stead_api::Control,
        answer: oneshot::Sender<Result<Controlled, Failure>>,
    ) {
        let refuse = |code: Code, detail: &str| Failure {
            what: format!("resource type \"{name}\": control"),
            error: report::code(code),
            detail: detail.to_owned(),
        };
        let Ok(in_buffer) = control.in_buffer.parse::<Hex>() else {
            let detail = "in_buffer must be hexadecimal digits";
            let _ = answer.send(Err(refuse(Code::ERROR_INVALID_PARAMETER, detail)));
            return;
        };
        let Some(known) = self.policy.config().types.get(name) else {
            let detail = "there is no such resource type; see `stead type list`";
            let _ = answer.send(Err(refuse(Code::ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, detail)));
            return;
        };
        let library = self.catalog.library(known);
        let type_name = known.name.clone();
        let values = TypeFacts {
            description: known.description.clone(),
            numbers: common::all_of_type(&known.defaults),
            of_resources: common::names(),
        };
        let asked = (control.code, in_buffer, LARGEST_OUTPUT);
        let op = self.monitors.type_control(type_name, library, values, asked);
        self.controls.insert(op, ControlAsker::Client(answer));
    }
}
