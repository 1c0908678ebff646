//! The words every part of stead speaks: names, states, flags, codes, properties and time.
//!
//! No IO, no serialisation and no decisions live here, and nothing but `std` is used, so that the brain
//! (`stead-policy`) and the contracts may depend on it without dragging anything in.

mod code;
mod dependency;
mod fence;
mod flags;
mod name;
mod property;
mod state;
mod time;

pub use code::Code;
pub use dependency::{Dependency, DependencyError};
pub use fence::FenceClass;
pub use flags::{MoveFlags, OfflineFlags, OfflineReason, OnlineFlags, OpenFlags, PauseFlags, StatusFlags};
pub use name::{GroupName, GroupSetName, NameError, NodeName, ResourceName, TypeName};
pub use property::{
    CommonProperties, EmbeddedFailureAction, PropertyFormat, PropertyMap, PropertyValue, RestartAction,
    TypeDefaults,
};
pub use state::{GroupState, NodeState, ResourceState, UnknownState};
pub use time::Time;
