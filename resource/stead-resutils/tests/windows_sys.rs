//! Every function has the signature that the `windows-sys` crate says, which is generated from Microsoft's metadata,
//! independently of ours. Handles are numbers there and pointers here; both are words of 64 bits.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(unsafe_code, reason = "signatures of unsafe functions are compared")]

mod common;
#[path = "common/functions.rs"]
mod functions;

use windows_sys::Win32::Foundation as foundation;
use windows_sys::Win32::Networking::Clustering as clustering;

/// What a type looks like to a caller.
trait Shape {
    fn shape() -> String;
}

macro_rules! shapes {
    ($($type:ty: $shape:expr,)+) => {$(
        impl Shape for $type {
            fn shape() -> String {
                $shape.to_owned()
            }
        }
    )+};
}

shapes! {
    (): "nothing",
    u8: "8 bits",
    i8: "8 bits",
    u16: "16 bits",
    u32: "32 bits",
    i32: "32 bits, signed",
    u64: "64 bits",
    usize: "word",
    isize: "word",
    std::ffi::c_void: "anything",
    stead_resapi::FILETIME: "FILETIME",
    foundation::FILETIME: "FILETIME",
    stead_resapi::GUID: "GUID",
    windows_sys::core::GUID: "GUID",
    stead_resapi::CLUS_WORKER: "CLUS_WORKER",
    clustering::CLUS_WORKER: "CLUS_WORKER",
    stead_resapi::RESUTIL_PROPERTY_ITEM: "RESUTIL_PROPERTY_ITEM",
    clustering::RESUTIL_PROPERTY_ITEM: "RESUTIL_PROPERTY_ITEM",
    stead_resapi::CLUS_RESOURCE_CLASS_INFO: "CLUS_RESOURCE_CLASS_INFO",
    clustering::CLUS_RESOURCE_CLASS_INFO: "CLUS_RESOURCE_CLASS_INFO",
    stead_resapi::CLUSPROP_BINARY: "CLUSPROP_BINARY",
    clustering::CLUSPROP_BINARY: "CLUSPROP_BINARY",
    stead_resapi::CLUSPROP_SZ: "CLUSPROP_SZ",
    clustering::CLUSPROP_SZ: "CLUSPROP_SZ",
    stead_resapi::CLUSPROP_DWORD: "CLUSPROP_DWORD",
    clustering::CLUSPROP_DWORD: "CLUSPROP_DWORD",
    stead_resapi::CLUSPROP_LONG: "CLUSPROP_LONG",
    clustering::CLUSPROP_LONG: "CLUSPROP_LONG",
    stead_resapi::CLUSPROP_FILETIME: "CLUSPROP_FILETIME",
    clustering::CLUSPROP_FILETIME: "CLUSPROP_FILETIME",
}

fn pointer_to(what: String) -> String {
    if what == "anything" { "word".to_owned() } else { format!("to {what}") }
}

impl<T: Shape> Shape for *const T {
    fn shape() -> String {
        pointer_to(T::shape())
    }
}

impl<T: Shape> Shape for *mut T {
    fn shape() -> String {
        pointer_to(T::shape())
    }
}

/// Callbacks are compared by what they take.
impl<T: Signature> Shape for Option<T> {
    fn shape() -> String {
        format!("function {}", T::signature())
    }
}

trait Signature {
    fn signature() -> String;
}

macro_rules! signatures {
    ($(($($argument:ident),*))+) => {$(
        impl<$($argument: Shape,)* Answer: Shape> Signature for unsafe extern "C" fn($($argument),*) -> Answer {
            fn signature() -> String {
                let arguments: Vec<String> = vec![$($argument::shape()),*];
                format!("({}) -> {}", arguments.join(", "), Answer::shape())
            }
        }
        impl<$($argument: Shape,)* Answer: Shape> Signature for unsafe extern "system" fn($($argument),*) -> Answer {
            fn signature() -> String {
                <unsafe extern "C" fn($($argument),*) -> Answer>::signature()
            }
        }
    )+};
}

signatures! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
}

/// The metadata knows no variable arguments.
impl Signature for stead_resapi::LOG_EVENT {
    fn signature() -> String {
        <unsafe extern "C" fn(isize, i32, *const u16)>::signature()
    }
}

fn of<T: Signature>(_: T) -> String {
    T::signature()
}

#[test]
fn signatures_agree() {
    let mut count = 0;
    macro_rules! agree {
        ($($name:ident($($blank:tt),*))+) => {$(
            let ours = of(resutils::$name as unsafe extern "C" fn($($blank),*) -> _);
            let theirs = of(clustering::$name as unsafe extern "system" fn($($blank),*) -> _);
            assert_eq!(ours, theirs, stringify!($name));
            count += 1;
        )+};
    }
    functions::every_function!(agree);
    assert_eq!(count, 109, "every function of the reference is compared");
}
