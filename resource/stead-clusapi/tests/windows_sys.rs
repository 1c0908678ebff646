//! Every exported function has the signature, and every number and structure is, what the `windows-sys` crate says. Its
//! definitions are generated from Microsoft's metadata, independently of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::ffi::c_void;

use windows_sys::Win32::Foundation as foundation;
use windows_sys::Win32::Networking::Clustering as clustering;

/// What an argument is to whoever calls. That crate has handles as numbers where the headers have pointers, and reads
/// and writes through pointers to constants; neither makes a difference to a caller.
trait Shape {
    fn shape() -> String;
}

macro_rules! shapes {
    ($($type:ty = $shape:literal),+ $(,)?) => {$(
        impl Shape for $type {
            fn shape() -> String {
                $shape.to_owned()
            }
        }
    )+};
}

shapes! {
    u8 = "8 bits",
    u16 = "16 bits",
    u32 = "unsigned 32 bits",
    i32 = "signed 32 bits",
    u64 = "64 bits",
    foundation::FILETIME = "64 bits",
    isize = "word",
    c_void = "anything",
    windows_sys::Win32::Security::SECURITY_ATTRIBUTES = "anything",
    clustering::CLUSTERVERSIONINFO = "anything",
    () = "nothing",
}

fn pointer<T: Shape>() -> String {
    match T::shape().as_str() {
        "anything" => "word".to_owned(),
        to => format!("pointer to {to}"),
    }
}

impl<T: Shape> Shape for *const T {
    fn shape() -> String {
        pointer::<T>()
    }
}

impl<T: Shape> Shape for *mut T {
    fn shape() -> String {
        pointer::<T>()
    }
}

trait Signature {
    fn signature(self) -> Vec<String>;
}

macro_rules! signatures {
    ($(($($argument:ident)*))+) => {$(
        impl<R: Shape, $($argument: Shape),*> Signature for unsafe extern "C" fn($($argument),*) -> R {
            fn signature(self) -> Vec<String> {
                vec![R::shape(), $($argument::shape()),*]
            }
        }
        impl<R: Shape, $($argument: Shape),*> Signature for unsafe extern "system" fn($($argument),*) -> R {
            fn signature(self) -> Vec<String> {
                vec![R::shape(), $($argument::shape()),*]
            }
        }
    )+};
}

signatures! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// A function and its two signatures: ours, theirs.
type Compared = (&'static str, Vec<String>, Vec<String>);

fn functions() -> Vec<Compared> {
    let mut all = Vec::new();
    macro_rules! compare {
        ($module:ident: $($name:ident($($argument:tt)*))+) => {$(
            all.push((
                stringify!($name),
                (clusapi::$name as unsafe extern "C" fn($($argument),*) -> _).signature(),
                ($module::$name as unsafe extern "system" fn($($argument),*) -> _).signature(),
            ));
        )+};
    }
    compare! { clustering:
        CloseCluster(_)
        CloseClusterGroup(_)
        CloseClusterNode(_)
        CloseClusterResource(_)
        ClusterCloseEnum(_)
        ClusterEnum(_ _ _ _ _)
        ClusterGetEnumCount(_)
        ClusterGroupCloseEnum(_)
        ClusterGroupControl(_ _ _ _ _ _ _ _)
        ClusterGroupEnum(_ _ _ _ _)
        ClusterGroupGetEnumCount(_)
        ClusterGroupOpenEnum(_ _)
        ClusterOpenEnum(_ _)
        ClusterRegBatchAddCommand(_ _ _ _ _ _)
        ClusterRegCloseBatch(_ _ _)
        ClusterRegCloseKey(_)
        ClusterRegCreateBatch(_ _)
        ClusterRegCreateKey(_ _ _ _ _ _ _)
        ClusterRegDeleteKey(_ _)
        ClusterRegDeleteValue(_ _)
        ClusterRegEnumKey(_ _ _ _ _)
        ClusterRegEnumValue(_ _ _ _ _ _ _)
        ClusterRegGetKeySecurity(_ _ _ _)
        ClusterRegOpenKey(_ _ _ _)
        ClusterRegQueryInfoKey(_ _ _ _ _ _ _ _)
        ClusterRegQueryValue(_ _ _ _ _)
        ClusterRegSetKeySecurity(_ _ _)
        ClusterRegSetValue(_ _ _ _ _)
        ClusterResourceCloseEnum(_)
        ClusterResourceControl(_ _ _ _ _ _ _ _)
        ClusterResourceEnum(_ _ _ _ _)
        ClusterResourceGetEnumCount(_)
        ClusterResourceOpenEnum(_ _)
        GetClusterFromGroup(_)
        GetClusterFromResource(_)
        GetClusterGroupKey(_ _)
        GetClusterGroupState(_ _ _)
        GetClusterInformation(_ _ _ _)
        GetClusterKey(_ _)
        GetClusterNodeState(_)
        GetClusterQuorumResource(_ _ _ _ _ _)
        GetClusterResourceDependencyExpression(_ _ _)
        GetClusterResourceKey(_ _)
        GetClusterResourceNetworkName(_ _ _)
        GetClusterResourceState(_ _ _ _ _)
        GetClusterResourceTypeKey(_ _ _)
        GetNodeClusterState(_ _)
        OpenCluster(_)
        OpenClusterEx(_ _ _)
        OpenClusterGroup(_ _)
        OpenClusterGroupEx(_ _ _ _)
        OpenClusterNode(_ _)
        OpenClusterNodeEx(_ _ _ _)
        OpenClusterResource(_ _)
        OpenClusterResourceEx(_ _ _ _)
    }
    compare! { foundation:
        GetLastError()
        SetLastError(_)
    }
    all
}

#[test]
fn signatures_agree() {
    for (name, ours, theirs) in functions() {
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn every_exported_function_is_compared() {
    let mut compared: Vec<&str> = functions().into_iter().map(|(name, ..)| name).collect();
    compared.sort_unstable();
    assert_eq!(compared, include_str!("../exported-symbols.txt").lines().collect::<Vec<_>>());
}
