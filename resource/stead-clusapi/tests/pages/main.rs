//! Every exported function does what its page says, against a cluster made up here, and survives callers that do not.
//!
//! The functions are called through the declarations of `windows-sys`, as a resource DLL would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(unsafe_code, reason = "C functions that take raw pointers")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "each test is about what it passes")]

mod clusters;
mod common;
mod enumerations;
mod hostile;
mod keeper;
mod nf_clusapi_clusterregbatchaddcommand;
mod nf_clusapi_clusterregcreatekey;
mod nf_clusapi_clusterregdeletekey;
mod nf_clusapi_clusterregenumvalue;
mod nf_clusapi_clusterregqueryvalue;
mod nf_clusapi_clusterregsetvalue;
mod nf_clusapi_clusterresourcecontrol;
mod nf_clusapi_getclusterresourcestate;
