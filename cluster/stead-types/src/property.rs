use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The format of a property's value. Windows: clusapi/ne-clusapi-cluster_property_format
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropertyFormat {
    /// Bytes.
    Binary,
    /// Unsigned, 32 bits. Also carries booleans, as 0 and 1.
    Dword,
    /// Text.
    Sz,
    /// Text in which `%NAME%` stands for an environment variable.
    ExpandSz,
    /// A list of texts.
    MultiSz,
    /// Unsigned, 64 bits.
    ULargeInteger,
    /// Signed, 32 bits.
    Long,
    /// Signed, 64 bits.
    LargeInteger,
    /// Unsigned, 16 bits.
    Word,
}

impl PropertyFormat {
    /// Every format.
    pub const ALL: &'static [PropertyFormat] = &[
        PropertyFormat::Binary,
        PropertyFormat::Dword,
        PropertyFormat::Sz,
        PropertyFormat::ExpandSz,
        PropertyFormat::MultiSz,
        PropertyFormat::ULargeInteger,
        PropertyFormat::Long,
        PropertyFormat::LargeInteger,
        PropertyFormat::Word,
    ];

    /// The `CLUSPROP_FORMAT_…` number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            PropertyFormat::Binary => 1,
            PropertyFormat::Dword => 2,
            PropertyFormat::Sz => 3,
            PropertyFormat::ExpandSz => 4,
            PropertyFormat::MultiSz => 5,
            PropertyFormat::ULargeInteger => 6,
            PropertyFormat::Long => 7,
            PropertyFormat::LargeInteger => 10,
            PropertyFormat::Word => 11,
        }
    }

    /// The format with this `CLUSPROP_FORMAT_…` number. Expanded text (8) reads as text.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        if number == 8 {
            return Some(PropertyFormat::Sz);
        }
        PropertyFormat::ALL.iter().copied().find(|format| format.number() == number)
    }

    /// The word an operator reads: `number`, `text`, `list of texts`, `bytes`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            PropertyFormat::Binary => "bytes in hexadecimal",
            PropertyFormat::Dword => "a number from 0 to 4294967295, or true or false",
            PropertyFormat::Sz | PropertyFormat::ExpandSz => "text",
            PropertyFormat::MultiSz => "a list of texts",
            PropertyFormat::ULargeInteger => "a number from 0 to 18446744073709551615",
            PropertyFormat::Long => "a number from -2147483648 to 2147483647",
            PropertyFormat::LargeInteger => "a number from -9223372036854775808 to 9223372036854775807",
            PropertyFormat::Word => "a number from 0 to 65535",
        }
    }
}

/// The value of a private property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropertyValue {
    /// A number, whatever its width; the property's format decides the range.
    Number(i128),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl fmt::Display for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyValue::Number(number) => write!(f, "{number}"),
            PropertyValue::Text(text) => f.write_str(text),
            PropertyValue::List(list) => write!(f, "{list:?}"),
            PropertyValue::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// Private properties by name. Names are compared without regard to ASCII case by those who look them up.
pub type PropertyMap = BTreeMap<String, PropertyValue>;

/// What follows a failure. Windows: mscs/resources-restartaction
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RestartAction {
    /// 0: the resource stays Failed.
    DontRestart,
    /// 1: restarted up to the threshold, then it stays Failed; the group is never failed over for it.
    RestartNoNotify,
    /// 2: restarted up to the threshold, then the group fails over.
    #[default]
    RestartNotify,
}

impl RestartAction {
    /// The documented number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            RestartAction::DontRestart => 0,
            RestartAction::RestartNoNotify => 1,
            RestartAction::RestartNotify => 2,
        }
    }

    /// The action with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(RestartAction::DontRestart),
            1 => Some(RestartAction::RestartNoNotify),
            2 => Some(RestartAction::RestartNotify),
            _ => None,
        }
    }
}

/// What follows a failure reported from inside the workload. Windows: mscs/resources-embeddedfailureaction
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EmbeddedFailureAction {
    /// 0: nothing.
    None,
    /// 1: an event.
    LogOnly,
    /// 2: offline and online again, under the restart policy.
    #[default]
    Recover,
}

impl EmbeddedFailureAction {
    /// The documented number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            EmbeddedFailureAction::None => 0,
            EmbeddedFailureAction::LogOnly => 1,
            EmbeddedFailureAction::Recover => 2,
        }
    }

    /// The action with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(EmbeddedFailureAction::None),
            1 => Some(EmbeddedFailureAction::LogOnly),
            2 => Some(EmbeddedFailureAction::Recover),
            _ => None,
        }
    }
}

/// What a resource type gives its resources where they say nothing themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeDefaults {
    /// Time between two `LooksAlive`.
    pub looks_alive_poll_interval: Duration,
    /// Time between two `IsAlive`.
    pub is_alive_poll_interval: Duration,
    /// Longest silence while pending.
    pub pending_timeout: Duration,
    /// Longest time inside one entry point.
    pub deadlock_timeout: Duration,
}

impl Default for TypeDefaults {
    fn default() -> Self {
        TypeDefaults {
            looks_alive_poll_interval: Duration::from_millis(5_000),
            is_alive_poll_interval: Duration::from_millis(60_000),
            pending_timeout: Duration::from_millis(180_000),
            deadlock_timeout: Duration::from_millis(300_000),
        }
    }
}

/// The common properties of a resource that govern calls, polls and failures.
///
/// `None` means "as the type says" (0xFFFFFFFF at the interface) for the two poll intervals and two timeouts,
/// and "never" for `retry_period_on_failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonProperties {
    /// Time between two `LooksAlive`; at least 10 ms.
    pub looks_alive_poll_interval: Option<Duration>,
    /// Time between two `IsAlive`; at least 10 ms.
    pub is_alive_poll_interval: Option<Duration>,
    /// Longest silence while pending; at least 10 ms.
    pub pending_timeout: Option<Duration>,
    /// Longest time inside one entry point; at least 1000 ms.
    pub deadlock_timeout: Option<Duration>,
    /// What follows a failure.
    pub restart_action: RestartAction,
    /// So many failures within `restart_period` are answered by a restart in place.
    pub restart_threshold: u32,
    /// The sliding window of `restart_threshold`.
    pub restart_period: Duration,
    /// Pause before a restart.
    pub restart_delay: Duration,
    /// After restarts are used up: time until the next attempt. `None` is never.
    pub retry_period_on_failure: Option<Duration>,
    /// A Resource Monitor of its own.
    pub separate_monitor: bool,
    /// What follows a failure reported from inside the workload.
    pub embedded_failure_action: EmbeddedFailureAction,
}

impl Default for CommonProperties {
    /// The documented defaults.
    ///
    /// Windows: mscs/resource-common-properties
    fn default() -> Self {
        CommonProperties {
            looks_alive_poll_interval: None,
            is_alive_poll_interval: None,
            pending_timeout: None,
            deadlock_timeout: None,
            restart_action: RestartAction::RestartNotify,
            restart_threshold: 3,
            restart_period: Duration::from_millis(900_000),
            restart_delay: Duration::from_millis(500),
            retry_period_on_failure: Some(Duration::from_millis(3_600_000)),
            separate_monitor: false,
            embedded_failure_action: EmbeddedFailureAction::Recover,
        }
    }
}
