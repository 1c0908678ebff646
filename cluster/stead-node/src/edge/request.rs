//! Bodies of requests that change something, as the policy knows them. What does not belong together is refused with its
//! place, before anybody is asked.

use stead_api::{NodeOperate, Operate};
use stead_monitor_protocol::Hex;
use stead_policy::{DrainTo, InBuffers, Request, ResumeFailback};
use stead_types::{MoveFlags, NodeName, PauseFlags};

use crate::command::Fencing;

fn node_name(place: &str, name: Option<&str>) -> Result<Option<NodeName>, String> {
    name.map(|name| name.parse().map_err(|error: stead_types::NameError| format!("{place}: {error}")))
        .transpose()
}

/// Refuses what would silently mean nothing.
fn misplaced(verb: &str, given: &Operate) -> Result<(), String> {
    let of_move = [
        ("to", given.to.is_some()),
        ("return_on_error", given.return_on_error),
        ("high_priority", given.high_priority),
        ("ignore_affinity", given.ignore_affinity),
    ];
    let not_of_move = [
        (
            "keep_persistent_state",
            given.keep_persistent_state,
            "a move never changes what is wanted; leave it out",
        ),
        (
            "terminate",
            given.terminate,
            "a move takes everything offline in order; take the group offline first",
        ),
    ];
    if verb == "move" {
        return match not_of_move.into_iter().find(|(_, set, _)| *set) {
            Some((place, _, remedy)) => Err(format!("{place}: {remedy}")),
            None => Ok(()),
        };
    }
    match of_move.into_iter().find(|(_, set)| *set) {
        Some((place, _)) => Err(format!("{place}: only a move knows this; leave it out for {verb}")),
        None => Ok(()),
    }
}

fn in_buffers(given: &Operate) -> Result<InBuffers, String> {
    given
        .in_buffer
        .iter()
        .map(|(name, hex)| {
            let name = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
            let bytes: Hex =
                hex.parse().map_err(|error: &str| format!("in_buffer of \"{name}\": {error}"))?;
            Ok((name, bytes.0))
        })
        .collect()
}

/// What a request about a group asks.
pub(crate) fn group(name: &str, verb: &str, given: &Operate) -> Result<Request, String> {
    let group = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
    misplaced(verb, given)?;
    let in_buffers = in_buffers(given)?;
    Ok(match verb {
        "online" => Request::OnlineGroup {
            group,
            ignore_resource_status: given.force,
            keep_persistent_state: given.keep_persistent_state,
            in_buffers,
        },
        "offline" => Request::OfflineGroup {
            group,
            ignore_resource_status: given.force,
            force_with_termination: given.terminate,
            keep_persistent_state: given.keep_persistent_state,
            queue_enabled: given.queue,
            in_buffers,
        },
        "move" => {
            let flags = [
                (given.force, MoveFlags::IGNORE_RESOURCE_STATUS),
                (given.return_on_error, MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR),
                (given.queue, MoveFlags::QUEUE_ENABLED),
                (given.high_priority, MoveFlags::HIGH_PRIORITY_START),
                (given.ignore_affinity, MoveFlags::IGNORE_AFFINITY_RULE),
            ];
            let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
            let flags = flags.fold(MoveFlags::NONE, MoveFlags::with);
            Request::MoveGroup { group, to: node_name("to", given.to.as_deref())?, flags, in_buffers }
        }
        "cancel" => Request::CancelGroup { group },
        "delete" => Request::DeleteGroup { group, force: given.force },
        _ => {
            return Err(format!(
                "there is no verb {verb:?} for a group; there are: {}",
                stead_api::GROUP_VERBS.join(", ")
            ));
        }
    })
}

/// What a request about a resource asks.
pub(crate) fn resource(name: &str, verb: &str, given: &Operate) -> Result<Request, String> {
    let resource = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
    misplaced(verb, given)?;
    let in_buffers = in_buffers(given)?;
    Ok(match verb {
        "online" => Request::OnlineResource {
            resource,
            ignore_resource_status: given.force,
            keep_persistent_state: given.keep_persistent_state,
            in_buffers,
        },
        "offline" => Request::OfflineResource {
            resource,
            ignore_resource_status: given.force,
            force_with_termination: given.terminate,
            keep_persistent_state: given.keep_persistent_state,
            queue_enabled: given.queue,
            in_buffers,
        },
        "restart" => Request::RestartResource { resource },
        "fail" => Request::FailResource { resource },
        "maintenance-on" => Request::ResourceMaintenance { resource, on: true },
        "maintenance-off" => Request::ResourceMaintenance { resource, on: false },
        "cancel" => Request::CancelResource { resource },
        "delete" => Request::DeleteResource { resource, force: given.force },
        _ => {
            let verbs = stead_api::RESOURCE_VERBS.join(", ");
            return Err(format!("there is no verb {verb:?} for a resource; there are: {verbs}"));
        }
    })
}

/// What is asked about a node that may be gone; nothing if the verb is another.
pub(crate) fn fencing(
    name: &str,
    verb: &str,
    given: &NodeOperate,
) -> Option<Result<(NodeName, Fencing), String>> {
    let NodeOperate {
        drain,
        to,
        keep_on_error,
        retry,
        failback,
        clear_quarantine,
        no_wait: _,
        confirm,
        off,
        force,
    } = given;
    let other = *drain || to.is_some() || *keep_on_error || *retry || failback.is_some() || *clear_quarantine;
    let ask = match verb {
        "fence" if confirm.is_some() => {
            Err("confirm: this is said for confirm-down; leave it out".to_owned())
        }
        "confirm-down" if *off || *force => {
            Err("off and force are said for fence; leave them out for confirm-down".to_owned())
        }
        "confirm-down" if confirm.as_deref() != Some(name) => Err(format!(
            "confirm: it must be the node's name, {name:?}: whoever asks this has seen that its machine is off"
        )),
        "fence" => Ok(Fencing::Fence { off: *off, force: *force }),
        "confirm-down" => Ok(Fencing::ConfirmDown),
        _ => return None,
    };
    let ask = ask.and_then(|ask| match other {
        true => Err(format!("what is said of a pause or a resume has no place in {verb}; leave it out")),
        false => Ok(ask),
    });
    let node = name.parse().map_err(|error: stead_types::NameError| error.to_string());
    Some(ask.and_then(|ask| Ok((node?, ask))))
}

/// What a request about a node asks.
pub(crate) fn node(name: &str, verb: &str, given: &NodeOperate) -> Result<Request, String> {
    let node = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
    let of_drain =
        [("to", given.to.is_some()), ("keep_on_error", given.keep_on_error), ("retry", given.retry)];
    let of_drain = of_drain.into_iter().find(|(_, set)| *set).map(|(place, _)| place);
    if given.off || given.force || given.confirm.is_some() {
        return Err(format!(
            "off, force, confirm: this is said when a node is fenced; leave it out for {verb}"
        ));
    }
    match verb {
        "pause" => {
            if given.failback.is_some() {
                return Err(
                    "failback: this is said when the node is resumed; leave it out for pause".to_owned()
                );
            }
            if given.clear_quarantine {
                return Err(
                    "clear_quarantine: this is said when the node is resumed; leave it out for pause"
                        .to_owned(),
                );
            }
            if let (Some(place), false) = (of_drain, given.drain) {
                return Err(format!(
                    "{place}: this is how a node is drained; set drain too, or leave it out"
                ));
            }
            let flags = [
                (given.keep_on_error, PauseFlags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR),
                (given.retry, PauseFlags::RETRY_DRAIN_ON_FAILURE),
            ];
            let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
            let to = node_name("to", given.to.as_deref())?;
            Ok(Request::PauseNode {
                node,
                drain: given.drain.then(|| to.map_or(DrainTo::Best, DrainTo::Node)),
                flags: flags.fold(PauseFlags::NONE, PauseFlags::with),
            })
        }
        "resume" => {
            if let Some(place) = of_drain.or(given.drain.then_some("drain")) {
                return Err(format!("{place}: this is said when a node is paused; leave it out for resume"));
            }
            let failback = match given.failback.as_deref() {
                Some("none") => ResumeFailback::None,
                Some("now") => ResumeFailback::Immediate,
                Some("policy") | None => ResumeFailback::Policy,
                Some(other) => {
                    let all = stead_api::FAILBACKS.join(", ");
                    return Err(format!("failback: {other:?} is not known; there are: {all}"));
                }
            };
            Ok(Request::ResumeNode { node, failback, clear_quarantine: given.clear_quarantine })
        }
        _ => {
            let verbs = stead_api::NODE_VERBS.join(", ");
            Err(format!("there is no verb {verb:?} for a node; there are: {verbs}"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn operate(body: &str) -> Operate {
        serde_json::from_str(body).unwrap()
    }

    fn node_operate(body: &str) -> NodeOperate {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn every_flag_of_a_move_is_the_documented_one() {
        for (body, bits) in [
            ("{}", 0),
            (r#"{"force": true}"#, 0x1),
            (r#"{"return_on_error": true}"#, 0x2),
            (r#"{"queue": true}"#, 0x4),
            (r#"{"high_priority": true}"#, 0x8),
            (r#"{"ignore_affinity": true}"#, 0x20),
            (r#"{"force": true, "queue": true, "ignore_affinity": true}"#, 0x25),
        ] {
            let Request::MoveGroup { flags, to: None, .. } = group("g", "move", &operate(body)).unwrap()
            else {
                panic!("{body} is another request")
            };
            assert_eq!(flags.bits(), bits, "{body}");
        }
        let body = operate(r#"{"to": "n2", "in_buffer": {"Virtual Machine": "04000000"}}"#);
        let Request::MoveGroup { to, in_buffers, .. } = group("g", "move", &body).unwrap() else {
            panic!("another request")
        };
        assert_eq!(to.unwrap().as_str(), "n2");
        assert_eq!(in_buffers[&"Virtual Machine".parse().unwrap()], [4, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_its_place() {
        for (verb, body, place) in [
            ("move", r#"{"keep_persistent_state": true}"#, "keep_persistent_state: "),
            ("move", r#"{"terminate": true}"#, "terminate: "),
            ("move", r#"{"to": ""}"#, "to: "),
            ("online", r#"{"to": "n2"}"#, "to: only a move"),
            ("offline", r#"{"return_on_error": true}"#, "return_on_error: "),
            ("cancel", r#"{"high_priority": true}"#, "high_priority: "),
            ("delete", r#"{"ignore_affinity": true}"#, "ignore_affinity: "),
            ("fly", "{}", "there is no verb"),
        ] {
            let refused = group("g", verb, &operate(body)).unwrap_err();
            assert!(refused.starts_with(place), "{verb} {body}: {refused}");
        }
        for (verb, body, place) in [
            ("online", r#"{"to": "n2"}"#, "to: only a move"),
            ("move", "{}", "there is no verb"),
            ("online", r#"{"in_buffer": {"T": "0g"}}"#, "in_buffer of \"T\": "),
        ] {
            let refused = resource("r", verb, &operate(body)).unwrap_err();
            assert!(refused.starts_with(place), "{verb} {body}: {refused}");
        }
        for (verb, body, place) in [
            ("pause", r#"{"to": "n2"}"#, "to: "),
            ("pause", r#"{"retry": true}"#, "retry: "),
            ("pause", r#"{"keep_on_error": true}"#, "keep_on_error: "),
            ("pause", r#"{"failback": "now"}"#, "failback: "),
            ("pause", r#"{"clear_quarantine": true}"#, "clear_quarantine: "),
            ("pause", r#"{"drain": true, "to": ""}"#, "to: "),
            ("resume", r#"{"drain": true}"#, "drain: "),
            ("resume", r#"{"to": "n2"}"#, "to: "),
            ("resume", r#"{"failback": "soon"}"#, "failback: "),
            ("evict", "{}", "there is no verb"),
        ] {
            let refused = node("n1", verb, &node_operate(body)).unwrap_err();
            assert!(refused.starts_with(place), "{verb} {body}: {refused}");
        }
        assert!(node("", "pause", &NodeOperate::default()).is_err(), "no name");
        for (verb, body, place) in [
            ("pause", r#"{"force": true}"#, "off, force, confirm: "),
            ("resume", r#"{"confirm": "n1"}"#, "off, force, confirm: "),
        ] {
            let refused = node("n1", verb, &node_operate(body)).unwrap_err();
            assert!(refused.starts_with(place), "{verb} {body}: {refused}");
        }
    }

    #[test]
    fn who_confirms_that_a_node_is_down_types_its_name() {
        let asked = |verb, body| fencing("n1", verb, &node_operate(body)).unwrap();
        let n1: NodeName = "n1".parse().unwrap();
        assert_eq!(asked("confirm-down", r#"{"confirm": "n1"}"#), Ok((n1.clone(), Fencing::ConfirmDown)));
        for (verb, body) in [
            ("confirm-down", "{}"),
            ("confirm-down", r#"{"confirm": "N1"}"#),
            ("confirm-down", r#"{"confirm": "n1", "force": true}"#),
            ("confirm-down", r#"{"confirm": "n1", "drain": true}"#),
            ("fence", r#"{"confirm": "n1"}"#),
            ("fence", r#"{"retry": true}"#),
            ("fence", r#"{"clear_quarantine": true}"#),
        ] {
            assert!(asked(verb, body).is_err(), "{verb} {body}");
        }
        let fence = Fencing::Fence { off: true, force: false };
        assert_eq!(asked("fence", r#"{"off": true}"#), Ok((n1, fence)));
        assert!(fencing("n1", "pause", &NodeOperate::default()).is_none());
    }

    #[test]
    fn a_pause_and_a_resume_say_what_is_asked() {
        let n1: NodeName = "n1".parse().unwrap();
        let asked = |verb, body| node("n1", verb, &node_operate(body)).unwrap();
        let pause =
            |drain, bits| Request::PauseNode { node: n1.clone(), drain, flags: PauseFlags::from_bits(bits) };
        assert_eq!(asked("pause", "{}"), pause(None, 0));
        assert_eq!(asked("pause", r#"{"drain": true}"#), pause(Some(DrainTo::Best), 0));
        let body = r#"{"drain": true, "to": "n2", "keep_on_error": true, "retry": true}"#;
        assert_eq!(asked("pause", body), pause(Some(DrainTo::Node("n2".parse().unwrap())), 0x1 | 0x4));
        for (body, failback) in [
            ("{}", ResumeFailback::Policy),
            (r#"{"failback": "none"}"#, ResumeFailback::None),
            (r#"{"failback": "now"}"#, ResumeFailback::Immediate),
            (r#"{"failback": "policy"}"#, ResumeFailback::Policy),
        ] {
            let resume = Request::ResumeNode { node: n1.clone(), failback, clear_quarantine: false };
            assert_eq!(asked("resume", body), resume);
        }
        let failback = ResumeFailback::Policy;
        let resume = Request::ResumeNode { node: n1.clone(), failback, clear_quarantine: true };
        assert_eq!(asked("resume", r#"{"clear_quarantine": true}"#), resume);
    }
}
