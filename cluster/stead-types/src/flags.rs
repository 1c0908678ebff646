use std::fmt;

macro_rules! flags {
    ($(#[$meta:meta])* $name:ident { $($(#[$cmeta:meta])* $flag:ident = $value:literal, $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            /// No flag.
            pub const NONE: $name = $name(0);
            $($(#[$cmeta])* pub const $flag: $name = $name($value);)+
            /// Every documented flag with its word: the documented name without prefix, lower case, dashes.
            pub const WORDS: &'static [(&'static str, $name)] = &[$(($word, $name::$flag)),+];

            /// The flags in this number; unknown bits are kept.
            #[must_use]
            pub const fn from_bits(bits: u32) -> Self {
                $name(bits)
            }

            /// The number handed to or received from the resource DLL.
            #[must_use]
            pub const fn bits(self) -> u32 {
                self.0
            }

            /// Both sets together.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                $name(self.0 | other.0)
            }

            /// This set without the flags of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                $name(self.0 & !other.0)
            }

            /// True if every flag of `other` is in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// True if no flag is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The single flag this word names.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                $name::WORDS.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut rest = self.0;
                let mut first = true;
                for (word, flag) in $name::WORDS {
                    if self.contains(*flag) {
                        rest &= !flag.0;
                        write!(f, "{}{word}", if first { "" } else { "|" })?;
                        first = false;
                    }
                }
                if rest != 0 || first {
                    write!(f, "{}{rest:#x}", if first { "" } else { "|" })?;
                }
                Ok(())
            }
        }
    };
}

flags! {
    /// Flags of `OpenV2`. Windows: resapi/nc-resapi-popen_v2_routine
    OpenFlags {
        /// The monitor restarted while the workload kept running: attach to it.
        RECOVER_MONITOR_STATE = 0x1, "recover-monitor-state",
        /// Storage types only.
        DONT_DELETE_TEMP_DISK = 0x2, "dont-delete-temp-disk",
    }
}

flags! {
    /// Flags of `OnlineV2`. Windows: resapi/nc-resapi-ponline_v2_routine
    OnlineFlags {
        /// Only re-establish monitoring of a resource that keeps running.
        RECOVER_MONITOR_STATE = 0x1, "recover-monitor-state",
        /// Go on although the resource is locked.
        IGNORE_RESOURCE_STATUS = 0x2, "ignore-resource-status",
        /// If this fails the group is returned to its source node.
        RETURN_TO_SOURCE_NODE_ON_ERROR = 0x4, "return-to-source-node-on-error",
        /// Brought back after an abandoned offline or move.
        RESTORE_ONLINE_STATE = 0x8, "restore-online-state",
        /// Go on although the network is broken.
        IGNORE_NETWORK_CONNECTIVITY = 0x10, "ignore-network-connectivity",
    }
}

flags! {
    /// Flags of `OfflineV2`. Windows: resapi/nc-resapi-poffline_v2_routine
    OfflineFlags {
        /// Perform the operation even if the resource is locked.
        IGNORE_RESOURCE_STATUS = 0x1, "ignore-resource-status",
        /// If the resource experiences an error, return it to the source node.
        RETURN_TO_SOURCE_NODE_ON_ERROR = 0x2, "return-to-source-node-on-error",
        /// A delayed operation is queued and retried until it completes or is cancelled.
        QUEUE_ENABLED = 0x4, "queue-enabled",
        /// This offline is the way back to the source node after an error.
        RETURNING_TO_SOURCE_NODE_BECAUSE_OF_ERROR = 0x8, "returning-to-source-node-because-of-error",
        /// This offline is recovery from an embedded failure.
        DUE_TO_EMBEDDED_FAILURE = 0x10, "due-to-embedded-failure",
        /// Perform the operation even if there is a network error.
        IGNORE_NETWORK_CONNECTIVITY = 0x20, "ignore-network-connectivity",
        /// The persistent state of the resource is left as it is.
        DO_NOT_UPDATE_PERSISTENT_STATE = 0x40, "do-not-update-persistent-state",
    }
}

flags! {
    /// How a group is moved. Windows: clusapi/nf-clusapi-moveclustergroupex
    MoveFlags {
        /// Move although resources are locked.
        IGNORE_RESOURCE_STATUS = 0x1, "ignore-resource-status",
        /// If it fails at the destination, go back to the source.
        RETURN_TO_SOURCE_NODE_ON_ERROR = 0x2, "return-to-source-node-on-error",
        /// Where a resource DLL is busy the move is queued and tried again.
        QUEUE_ENABLED = 0x4, "queue-enabled",
        /// Start ahead of other groups at the destination.
        HIGH_PRIORITY_START = 0x8, "high-priority-start",
        /// The move is a failback.
        FAILBACK = 0x10, "failback",
        /// Affinity rules do not count.
        IGNORE_AFFINITY_RULE = 0x20, "ignore-affinity-rule",
    }
}

flags! {
    /// How a node is paused. Windows: clusapi/nf-clusapi-pauseclusternodeex
    PauseFlags {
        /// A group that fails where it is moved to comes back to the paused node and keeps running.
        REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR = 0x1, "remain-on-paused-node-on-move-error",
        /// The node is left out where groups are placed.
        AVOID_PLACEMENT = 0x2, "avoid-placement",
        /// A group that could not be moved is tried again.
        RETRY_DRAIN_ON_FAILURE = 0x4, "retry-drain-on-failure",
    }
}

flags! {
    /// Why a resource goes offline; handed to the DLL in `Reserved` of `OfflineV2`.
    OfflineReason {
        /// The reason is not known.
        UNKNOWN = 0x1, "unknown",
        /// The group moves to another node.
        MOVING = 0x2, "moving",
        /// An operator asked for it.
        USER_REQUESTED = 0x4, "user-requested",
        /// The resource is being deleted.
        BEING_DELETED = 0x8, "being-deleted",
        /// The resource comes back at once.
        BEING_RESTARTED = 0x10, "being-restarted",
        /// Another group takes its place.
        PREEMPTED = 0x20, "preempted",
        /// The node or cluster is shutting down.
        SHUTTING_DOWN = 0x40, "shutting-down",
    }
}

flags! {
    /// Flags a resource DLL reports with a status. Windows: resapi/ns-resapi-resource_status_ex
    StatusFlags {
        /// Cannot go offline now: busy.
        OFFLINE_BUSY = 0x1, "offline-busy",
        /// Delayed: the source node is at its limit.
        OFFLINE_SOURCE_THROTTLED = 0x2, "offline-source-throttled",
        /// Delayed: the destination node is at its limit.
        OFFLINE_DESTINATION_THROTTLED = 0x4, "offline-destination-throttled",
        /// The destination node refused.
        OFFLINE_DESTINATION_REJECTED = 0x8, "offline-destination-rejected",
        /// Not enough memory.
        INSUFFICIENT_MEMORY = 0x10, "insufficient-memory",
        /// Not enough processor time.
        INSUFFICIENT_PROCESSOR = 0x20, "insufficient-processor",
        /// Something else is missing.
        INSUFFICIENT_OTHER_RESOURCES = 0x40, "insufficient-other-resources",
        /// The parameters are wrong.
        INVALID_PARAMETERS = 0x80, "invalid-parameters",
        /// The network is missing.
        NETWORK_NOT_AVAILABLE = 0x100, "network-not-available",
        /// No error report for this failure.
        DO_NOT_COLLECT_WER_REPORT = 0x4000_0000, "do-not-collect-wer-report",
        /// Take a dump now.
        DUMP_NOW = 0x8000_0000, "dump-now",
    }
}

impl StatusFlags {
    /// The four flags that delay or refuse an offline.
    pub const OFFLINE_DELAY: StatusFlags = StatusFlags(0xF);

    /// True if any of the four flags that delay or refuse an offline is set.
    #[must_use]
    pub const fn delays_offline(self) -> bool {
        self.0 & StatusFlags::OFFLINE_DELAY.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_documented_names_in_lower_case() {
        for (word, flag) in OfflineFlags::WORDS {
            assert_eq!(OfflineFlags::from_word(word), Some(*flag));
            assert_eq!(format!("{flag:?}"), *word);
        }
        let both = OfflineFlags::QUEUE_ENABLED.with(OfflineFlags::IGNORE_RESOURCE_STATUS);
        assert_eq!(both.bits(), 5);
        assert_eq!(format!("{both:?}"), "ignore-resource-status|queue-enabled");
        assert_eq!(format!("{:?}", OnlineFlags::from_bits(0x100)), "0x100");
        assert_eq!(format!("{:?}", OnlineFlags::NONE), "0x0");
    }
}
