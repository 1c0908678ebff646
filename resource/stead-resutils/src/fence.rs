//! The fence around every exported function: one macro makes them all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stead_resapi::ERROR_EXCEPTION_IN_RESOURCE_CALL;

use crate::clusapi::SetLastError;

/// What an exported function returns, and how it tells a failure.
pub(crate) trait Answer {
    /// What the body computes.
    type Good;

    fn good(value: Self::Good) -> Self;
    fn failed(code: u32) -> Self;
}

/// A status code.
impl Answer for u32 {
    type Good = ();

    fn good((): ()) -> u32 {
        0
    }

    fn failed(code: u32) -> u32 {
        code
    }
}

fn remember(code: u32) {
    // SAFETY: it takes a number and has no other requirement.
    unsafe { SetLastError(code) };
}

/// A `BOOL` or a number; zero with the last error set is a failure.
impl Answer for i32 {
    type Good = i32;

    fn good(value: i32) -> i32 {
        value
    }

    fn failed(code: u32) -> i32 {
        remember(code);
        0
    }
}

/// A number of units or milliseconds; zero with the last error set is a failure.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Length(pub u32);

impl Answer for Length {
    type Good = u32;

    fn good(value: u32) -> Length {
        Length(value)
    }

    fn failed(code: u32) -> Length {
        remember(code);
        Length(0)
    }
}

/// How a wait ended; `WAIT_FAILED` with the last error set is a failure.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitResult(pub u32);

impl Answer for WaitResult {
    type Good = u32;

    fn good(value: u32) -> WaitResult {
        WaitResult(value)
    }

    fn failed(code: u32) -> WaitResult {
        remember(code);
        WaitResult(u32::MAX)
    }
}

/// A pointer or handle; null with the last error set is a failure.
impl<T> Answer for *mut T {
    type Good = *mut T;

    fn good(value: *mut T) -> *mut T {
        value
    }

    fn failed(code: u32) -> *mut T {
        remember(code);
        std::ptr::null_mut()
    }
}

/// A size; zero with the last error set is a failure.
impl Answer for usize {
    type Good = usize;

    fn good(value: usize) -> usize {
        value
    }

    fn failed(code: u32) -> usize {
        remember(code);
        0
    }
}

/// Nothing.
impl Answer for () {
    type Good = ();

    fn good((): ()) {}

    fn failed(_: u32) {}
}

/// Runs the body of an exported function. A panic, which would be an error of ours, must not cross into C.
pub(crate) fn fence<A: Answer>(body: impl FnOnce() -> Result<A::Good, u32>) -> A {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => A::good(value),
        Ok(Err(code)) => A::failed(code),
        Err(_) => A::failed(ERROR_EXCEPTION_IN_RESOURCE_CALL),
    }
}

/// Defines exported functions. A body ends in `Ok`, or in `Err` with a status code, which an answer that is a
/// pointer or a `BOOL` leaves as last error.
macro_rules! exports {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $answer:ty)? $body:block)+) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        /// Each pointer must be null, or what the documentation of this function says: readable or writable for the
        /// size that goes with it, a string up to its NUL or for 32,767 units. None needs to be aligned. Handles may
        /// be anything.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $answer)? {
            $crate::fence::fence(move || {
                #[allow(unused_unsafe, reason = "some bodies touch no pointer")]
                // SAFETY: the caller of the exported function promises what its `# Safety` section says.
                unsafe { $body }
            })
        }
    )+};
}
