use std::fmt;

use stead_resapi as abi;
use stead_sdk::Failure;

/// What an agent's exit status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    Generic,
    Arguments,
    Unimplemented,
    Permissions,
    NotInstalled,
    NotConfigured,
    NotRunning,
    Promoted,
    FailedPromoted,
    Degraded,
    DegradedPromoted,
    Other(i32),
}

impl Exit {
    pub(crate) const fn from_status(status: i32) -> Exit {
        match status {
            0 => Exit::Success,
            1 => Exit::Generic,
            2 => Exit::Arguments,
            3 => Exit::Unimplemented,
            4 => Exit::Permissions,
            5 => Exit::NotInstalled,
            6 => Exit::NotConfigured,
            7 => Exit::NotRunning,
            8 => Exit::Promoted,
            9 => Exit::FailedPromoted,
            190 => Exit::Degraded,
            191 => Exit::DegradedPromoted,
            other => Exit::Other(other),
        }
    }

    /// Success, or the failure it is: a wrong configuration keeps the resource from every node, something missing
    /// from this one.
    pub(crate) fn into_result(self, action: &str) -> Result<(), Failure> {
        let text = format!("{action}: {self}");
        match self {
            Exit::Success | Exit::Degraded => Ok(()),
            Exit::NotConfigured => Err(Failure::on_any_node(text)),
            Exit::NotInstalled | Exit::Permissions => Err(Failure::on_this_node(text)),
            Exit::Arguments => Err(Failure::new(abi::ERROR_INVALID_PARAMETER, text)),
            Exit::Unimplemented => Err(Failure::new(abi::ERROR_CALL_NOT_IMPLEMENTED, text)),
            Exit::Generic
            | Exit::NotRunning
            | Exit::Promoted
            | Exit::FailedPromoted
            | Exit::DegradedPromoted
            | Exit::Other(_) => Err(Failure::new(abi::ERROR_RESOURCE_FAILED, text)),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exit::Success => "success (0)",
            Exit::Generic => "the agent reports a failure (1)",
            Exit::Arguments => "the agent does not understand its parameters (2)",
            Exit::Unimplemented => "the agent does not know this action (3)",
            Exit::Permissions => "the agent lacks permission on this node (4)",
            Exit::NotInstalled => "something the agent needs is not installed on this node (5)",
            Exit::NotConfigured => "the agent says the configuration is wrong (6)",
            Exit::NotRunning => "it is not running (7)",
            Exit::Promoted => "it is running promoted, which is not supported (8)",
            Exit::FailedPromoted => "it failed while promoted, which is not supported (9)",
            Exit::Degraded => "running, degraded (190)",
            Exit::DegradedPromoted => "running promoted and degraded, which is not supported (191)",
            Exit::Other(status) => return write!(f, "the agent exited with status {status}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_of_ocf_has_a_meaning() {
        let code =
            |status: i32| Exit::from_status(status).into_result("start").map_err(|failure| failure.code());
        assert_eq!(code(0), Ok(()));
        assert_eq!(code(190), Ok(()));
        assert_eq!(code(1), Err(abi::ERROR_RESOURCE_FAILED));
        assert_eq!(code(2), Err(abi::ERROR_INVALID_PARAMETER));
        assert_eq!(code(3), Err(abi::ERROR_CALL_NOT_IMPLEMENTED));
        assert_eq!(code(4), Err(abi::ERROR_NODE_CANT_HOST_RESOURCE));
        assert_eq!(code(5), Err(abi::ERROR_NODE_CANT_HOST_RESOURCE));
        assert_eq!(code(6), Err(abi::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR));
        for status in [7, 8, 9, 191, 42, 137] {
            assert_eq!(code(status), Err(abi::ERROR_RESOURCE_FAILED), "{status}");
        }
    }
}
