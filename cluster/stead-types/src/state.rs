use std::fmt;
use std::str::FromStr;

/// A word that names no state of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownState {
    /// What kind of state was asked for: `resource state`, `group state`, `node state`.
    pub kind: &'static str,
    /// The word as given.
    pub word: String,
}

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} {:?}", self.kind, self.word)
    }
}

impl std::error::Error for UnknownState {}

macro_rules! states {
    ($(#[$meta:meta])* $name:ident, $kind:literal { $($(#[$vmeta:meta])* $variant:ident = $value:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every state, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word used everywhere: in output, JSON and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => stringify!($variant)),+ }
            }

            /// The documented number of the state at the interface.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self { $($name::$variant => $value),+ }
            }

            /// The state with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: i32) -> Option<Self> {
                match number { $($value => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            /// Reads the word, whatever its case and with or without dashes: `OnlinePending`, `online-pending`.
            fn from_str(word: &str) -> Result<Self, UnknownState> {
                let plain: String = word.chars().filter(|c| *c != '-' && *c != '_').collect();
                $name::ALL
                    .iter()
                    .copied()
                    .find(|state| state.as_str().eq_ignore_ascii_case(&plain))
                    .ok_or_else(|| UnknownState { kind: $kind, word: word.to_owned() })
            }
        }
    };
}

states! {
    /// What a resource is doing. Windows: clusapi/ne-clusapi-cluster_resource_state
    ResourceState, "resource state" {
        /// It could not be determined.
        Unknown = -1,
        /// In the documented enumeration; never produced.
        Inherited = 0,
        /// Its resource DLL is being loaded or `Open` is running.
        Initializing = 1,
        /// Serving.
        Online = 2,
        /// Deliberately not serving.
        Offline = 3,
        /// The last attempt or a health check failed; not serving.
        Failed = 4,
        /// On the way to Online.
        OnlinePending = 129,
        /// On the way to Offline.
        OfflinePending = 130,
    }
}

states! {
    /// What a group is doing, always derived from its resources. Windows: clusapi/ne-clusapi-cluster_group_state
    GroupState, "group state" {
        /// Every resource is Online, and there is at least one.
        Online = 0,
        /// No resource is Online, Pending or Failed.
        Offline = 1,
        /// At least one resource is Failed.
        Failed = 2,
        /// Some but not all resources are Online.
        PartialOnline = 3,
        /// At least one resource is pending and none is Failed.
        Pending = 4,
    }
}

states! {
    /// What a node is doing. Windows: clusapi/ne-clusapi-cluster_node_state
    NodeState, "node state" {
        /// A member that hosts groups.
        Up = 0,
        /// Not a member.
        Down = 1,
        /// A member that takes no new groups.
        Paused = 2,
        /// On the way to Up.
        Joining = 3,
    }
}

impl ResourceState {
    /// True for the two pending states.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, ResourceState::OnlinePending | ResourceState::OfflinePending)
    }
}

impl GroupState {
    /// Derives a group's state from its resources' states; the first rule that fits wins.
    ///
    /// Windows: clusapi/nf-clusapi-getclustergroupstate
    pub fn derive(resources: impl IntoIterator<Item = ResourceState>) -> GroupState {
        let (mut failed, mut pending, mut online, mut total) = (false, false, 0usize, 0usize);
        for state in resources {
            total += 1;
            match state {
                ResourceState::Failed => failed = true,
                ResourceState::OnlinePending | ResourceState::OfflinePending => pending = true,
                ResourceState::Online => online += 1,
                ResourceState::Offline
                | ResourceState::Initializing
                | ResourceState::Inherited
                | ResourceState::Unknown => {}
            }
        }
        if failed {
            GroupState::Failed
        } else if pending {
            GroupState::Pending
        } else if online > 0 && online < total {
            GroupState::PartialOnline
        } else if online > 0 {
            GroupState::Online
        } else {
            GroupState::Offline
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResourceState::{Failed, Initializing, Offline, OfflinePending, Online, OnlinePending};

    #[test]
    fn words_and_numbers_round_trip() {
        for state in ResourceState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
            assert_eq!(ResourceState::from_number(state.number()), Some(*state));
        }
        assert_eq!("online-pending".parse(), Ok(OnlinePending));
        assert!("running".parse::<ResourceState>().is_err());
        assert_eq!(ResourceState::from_number(128), None);
    }

    #[test]
    fn group_state_is_derived_first_match_wins() {
        assert_eq!(GroupState::derive([]), GroupState::Offline);
        assert_eq!(GroupState::derive([Online, Failed, OnlinePending]), GroupState::Failed);
        assert_eq!(GroupState::derive([Online, OfflinePending]), GroupState::Pending);
        assert_eq!(GroupState::derive([Online, Offline]), GroupState::PartialOnline);
        assert_eq!(GroupState::derive([Online, Initializing]), GroupState::PartialOnline);
        assert_eq!(GroupState::derive([Online, Online]), GroupState::Online);
        assert_eq!(GroupState::derive([Offline, Initializing]), GroupState::Offline);
    }
}
