//! Write a resource type in safe Rust.
//!
//! Implement [`Resource`], name the type in [`export!`], build a `cdylib`, and the Resource Monitor can load it:
//!
//! ```
//! use stead_sdk::{Context, Failure, Online, Operation, Property, Resource};
//!
//! struct Lamp(std::sync::atomic::AtomicBool);
//!
//! impl Resource for Lamp {
//!     const TYPE_NAME: &'static str = "Lamp";
//!     const PROPERTIES: &'static [Property] = &[Property::number("Watts").default_number(40).range(1, 100)];
//!
//!     fn open(_: &Context) -> Result<Self, Failure> {
//!         Ok(Lamp(false.into()))
//!     }
//!     fn online(&self, _: &Operation) -> Result<Online, Failure> {
//!         self.0.store(true, std::sync::atomic::Ordering::Relaxed);
//!         Ok(Online::polled())
//!     }
//!     fn offline(&self, _: &Operation) -> Result<(), Failure> {
//!         self.terminate();
//!         Ok(())
//!     }
//!     fn terminate(&self) {
//!         self.0.store(false, std::sync::atomic::Ordering::Relaxed);
//!     }
//!     fn is_alive(&self) -> bool {
//!         self.0.load(std::sync::atomic::Ordering::Relaxed)
//!     }
//! }
//!
//! # use stead_sdk::testing::Harness;
//! let lamp = Harness::<Lamp>::new("lamp").open().unwrap();
//! lamp.online();
//! assert_eq!(lamp.wait_settled(), stead_sdk::testing::State::Online);
//! ```
//!
//! `online` and `offline` run on a thread of their own by default and may take as long as they show progress;
//! everything else should return within 300 ms. A panic in any of them is caught and is a failure of that call.
//!
//! Windows: mscs/resource-dll-entry-point-functions

mod control;
mod entry;
mod fence;
mod ffi;
mod identity;
mod live;
mod operation;
mod property;
pub mod testing;

pub use control::Control;
pub use entry::{__startup, __startup_ex};
pub use fence::shut_file_system_down;
pub use identity::run_as;
pub use operation::{Context, Failure, Level, Online, Operation};
pub use property::{Format, Problem, Properties, Property, PropertyValue};
#[doc(hidden)]
pub use stead_resapi as __abi;

/// A resource type.
///
/// One value is one instance. Its methods may be called from different threads, but one at a time, except
/// [`Resource::terminate`], which may come at any moment after `open` has returned.
pub trait Resource: Send + Sync + Sized + 'static {
    /// The name under which it is registered.
    const TYPE_NAME: &'static str;

    /// Its private properties.
    const PROPERTIES: &'static [Property] = &[];

    /// True if which private properties there are depends on the value of others: names outside
    /// [`Resource::PROPERTIES`] are then accepted and left to [`Resource::validate`].
    const OPEN_ENDED: bool = false;

    /// True if `online` takes well under 300 ms: it then runs inside the entry point, without a thread.
    const QUICK_ONLINE: bool = false;

    /// As [`Resource::QUICK_ONLINE`], for `offline`.
    const QUICK_OFFLINE: bool = false;

    /// Makes an instance. It is offline; nothing may be started or checked that only matters online, and private
    /// properties may not be set yet.
    ///
    /// # Errors
    /// Why there can be no instance.
    fn open(context: &Context) -> Result<Self, Failure>;

    /// Starts it. Return when it serves.
    ///
    /// # Errors
    /// Why it does not serve; `terminate` is called next.
    fn online(&self, operation: &Operation) -> Result<Online, Failure>;

    /// Stops it in order. Return when nothing of it is left.
    ///
    /// # Errors
    /// Why it could not be stopped (`terminate` is called next), or that it must wait ([`Failure::busy`] and its
    /// like: it stays online).
    fn offline(&self, operation: &Operation) -> Result<(), Failure>;

    /// Stops it at once, by any means, also in the middle of `online` and `offline`, also when nothing runs.
    fn terminate(&self);

    /// The thorough health check; false fails the resource.
    fn is_alive(&self) -> bool;

    /// The cheap health check; false makes the monitor ask `is_alive`.
    fn looks_alive(&self) -> bool {
        self.is_alive()
    }

    /// Checks what types and ranges of properties cannot say.
    fn validate(properties: &Properties) -> Vec<Problem> {
        let _ = properties;
        Vec::new()
    }

    /// The processes that do its work, the main one first.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Answers a control code of its own.
    fn control(&self, code: u32, input: &[u8]) -> Control {
        let _ = (code, input);
        Control::NotHandled
    }
}

/// Exports the entry points of one or more resource types from a `cdylib`.
///
/// A type that is linked into a host is reached with [`builtin`] instead.
#[macro_export]
macro_rules! export {
    ($($resource:ty),+ $(,)?) => {
        /// Windows: resapi/nc-resapi-pstartup_ex_routine
        ///
        /// # Safety
        /// Called by the Resource Monitor with the documented arguments.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, unsafe_code, reason = "the documented export")]
        pub unsafe extern "system" fn StartupEx(
            resource_type: *const u16,
            min: u32,
            max: u32,
            callbacks: *mut $crate::__abi::CLRES_CALLBACK_FUNCTION_TABLE,
            table: *mut *mut $crate::__abi::CLRES_FUNCTION_TABLE,
        ) -> u32 {
            $(
                // SAFETY: the Resource Monitor's own arguments, passed on.
                match unsafe { $crate::__startup_ex::<$resource>(resource_type, min, max, callbacks, table) } {
                    $crate::__abi::ERROR_CLUSTER_RESNAME_NOT_FOUND => {}
                    code => return code,
                }
            )+
            $crate::__abi::ERROR_CLUSTER_RESNAME_NOT_FOUND
        }

        /// Windows: resapi/nc-resapi-pstartup_routine
        ///
        /// # Safety
        /// Called by the Resource Monitor with the documented arguments.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, unsafe_code, reason = "the documented export")]
        pub unsafe extern "system" fn Startup(
            resource_type: *const u16,
            min: u32,
            max: u32,
            set_resource_status: Option<$crate::__abi::SET_RESOURCE_STATUS>,
            log_event: Option<$crate::__abi::LOG_EVENT>,
            table: *mut *mut $crate::__abi::CLRES_FUNCTION_TABLE,
        ) -> u32 {
            $(
                // SAFETY: the Resource Monitor's own arguments, passed on.
                match unsafe {
                    $crate::__startup::<$resource>(resource_type, min, max, set_resource_status, log_event, table)
                } {
                    $crate::__abi::ERROR_CLUSTER_RESNAME_NOT_FOUND => {}
                    code => return code,
                }
            )+
            $crate::__abi::ERROR_CLUSTER_RESNAME_NOT_FOUND
        }
    };
}

/// The name and start-up routine of a type that is linked into its host.
#[must_use]
pub fn builtin<T: Resource>() -> (&'static str, stead_resapi::STARTUP_EX) {
    (T::TYPE_NAME, entry::__startup_ex::<T>)
}
