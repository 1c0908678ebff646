//! Structures that control codes, property lists and property tables are made of. Where the headers end in an array
//! of variable length, it has the documented number of elements here: none or one.
//!
//! Windows: clusapi/ns-clusapi-clusprop_value, clusapi/ns-clusapi-clus_resource_class_info
#![allow(missing_docs, non_snake_case, non_camel_case_types, reason = "the documented names say it")]

use std::ffi::c_void;

use crate::WCHAR;

/// A structure by name, with its size and the offsets of its fields, for tests that compare definitions.
pub type Structure = (&'static str, usize, &'static [(&'static str, usize)]);

/// Defines structures, asserts their layout at compile time, and lists them.
macro_rules! structures {
    ($list:ident: $($(#[$meta:meta])* $name:ident: $size:literal { $($offset:literal $field:ident: $type:ty),+ $(,)? })+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy)]
            pub struct $name {
                $(pub $field: $type,)+
            }

            const _: () = {
                assert!(size_of::<$name>() == $size);
                $(assert!(std::mem::offset_of!($name, $field) == $offset);)+
            };
        )+

        /// Every structure of this block.
        pub const $list: &[Structure] = &[$((stringify!($name), $size, &[$((stringify!($field), $offset)),+])),+];
    };
}

structures! { BASIC:
    #[repr(C)]
    GUID: 16 { 0 Data1: u32, 4 Data2: u16, 6 Data3: u16, 8 Data4: [u8; 8] }
    #[repr(C)]
    FILETIME: 8 { 0 dwLowDateTime: u32, 4 dwHighDateTime: u32 }
    #[repr(C)]
    SYSTEMTIME: 16 {
        0 wYear: u16, 2 wMonth: u16, 4 wDayOfWeek: u16, 6 wDay: u16,
        8 wHour: u16, 10 wMinute: u16, 12 wSecond: u16, 14 wMilliseconds: u16
    }
}

// What control codes take and give.
structures! { CONTROL_STRUCTURES:
    #[repr(C)]
    CLUS_STARTING_PARAMS: 12 { 0 dwSize: u32, 4 bForm: i32, 8 bFirst: i32 }
    #[repr(C)]
    CLUSCTL_RESOURCE_STATE_CHANGE_REASON_STRUCT: 12 { 0 dwSize: u32, 4 dwVersion: u32, 8 eReason: i32 }
    #[repr(C)]
    GET_OPERATION_CONTEXT_PARAMS: 16 { 0 Size: u32, 4 Version: u32, 8 Type: i32, 12 Priority: u32 }
    #[repr(C)]
    CLUS_PROVIDER_STATE_CHANGE_INFO: 12 { 0 dwSize: u32, 4 resourceState: i32, 8 szProviderId: [u16; 1] }
    #[repr(C, align(8))]
    CLUS_RESOURCE_CLASS_INFO: 8 { 0 rc: i32, 4 SubClass: u32 }
    #[repr(C)]
    RESOURCE_FAILURE_INFO: 8 { 0 dwRestartAttemptsRemaining: u32, 4 dwRestartPeriodRemaining: u32 }
    #[repr(C)]
    RESOURCE_FAILURE_INFO_BUFFER: 12 { 0 dwVersion: u32, 4 Info: RESOURCE_FAILURE_INFO }
    #[repr(C)]
    RESOURCE_TERMINAL_FAILURE_INFO_BUFFER: 8 { 0 isTerminalFailure: i32, 4 restartPeriodRemaining: u32 }
    #[repr(C)]
    GROUP_FAILURE_INFO: 8 { 0 dwFailoverAttemptsRemaining: u32, 4 dwFailoverPeriodRemaining: u32 }
    #[repr(C)]
    GROUP_FAILURE_INFO_BUFFER: 12 { 0 dwVersion: u32, 4 Info: GROUP_FAILURE_INFO }
    #[repr(C)]
    CLUS_MAINTENANCE_MODE_INFO: 4 { 0 InMaintenance: i32 }
    #[repr(C)]
    CLUS_MAINTENANCE_MODE_INFOEX: 16 { 0 InMaintenance: i32, 4 MaintainenceModeType: i32, 8 InternalState: i32, 12 Signature: u32 }
    #[repr(C)]
    CLUS_SET_MAINTENANCE_MODE_INPUT: 12 { 0 InMaintenance: i32, 4 ExtraParameterSize: u32, 8 ExtraParameter: [u8; 1] }
    #[repr(C)]
    CLUS_CSV_MAINTENANCE_MODE_INFO: 524 { 0 InMaintenance: i32, 4 VolumeName: [u16; 260] }
    #[repr(C)]
    CLUS_FORCE_QUORUM_INFO: 16 { 0 dwSize: u32, 4 dwNodeBitMask: u32, 8 dwMaxNumberofNodes: u32, 12 multiszNodeList: [u16; 1] }
    #[repr(C)]
    NodeUtilizationInfoElement: 24 { 0 Id: u64, 8 AvailableMemory: u64, 16 AvailableMemoryAfterReclamation: u64 }
    #[repr(C)]
    ResourceUtilizationInfoElement: 16 { 0 PhysicalNumaId: u64, 8 CurrentMemory: u64 }
    #[repr(C)]
    CLUSTER_HEALTH_FAULT: 40 { 0 Id: *mut WCHAR, 8 ErrorType: u32, 12 ErrorCode: u32, 16 Description: *mut WCHAR, 24 Provider: *mut WCHAR, 32 Flags: u32, 36 Reserved: u32 }
    #[repr(C)]
    CLUSTER_HEALTH_FAULT_ARRAY: 16 { 0 numFaults: u32, 8 faults: *mut CLUSTER_HEALTH_FAULT }
    #[repr(C)]
    CLUS_PARTITION_INFO: 1120 { 0 dwFlags: u32, 4 szDeviceName: [u16; 260], 524 szVolumeLabel: [u16; 260], 1044 dwSerialNumber: u32, 1048 rgdwMaximumComponentLength: u32, 1052 dwFileSystemFlags: u32, 1056 szFileSystem: [u16; 32] }
    #[repr(C)]
    CLUS_PARTITION_INFO_EX: 1160 { 0 dwFlags: u32, 4 szDeviceName: [u16; 260], 524 szVolumeLabel: [u16; 260], 1044 dwSerialNumber: u32, 1048 rgdwMaximumComponentLength: u32, 1052 dwFileSystemFlags: u32, 1056 szFileSystem: [u16; 32], 1120 TotalSizeInBytes: u64, 1128 FreeSizeInBytes: u64, 1136 DeviceNumber: u32, 1140 PartitionNumber: u32, 1144 VolumeGuid: GUID }
    #[repr(C)]
    CLUS_PARTITION_INFO_EX2: 540 { 0 GptPartitionId: GUID, 16 szPartitionName: [u16; 260], 536 EncryptionFlags: u32 }
    #[repr(C)]
    CLUS_FTSET_INFO: 8 { 0 dwRootSignature: u32, 4 dwFtType: u32 }
    #[repr(C, align(4))]
    CLUS_SCSI_ADDRESS: 4 { 0 PortNumber: u8, 1 PathId: u8, 2 TargetId: u8, 3 Lun: u8 }
    #[repr(C)]
    CLUS_DISK_NUMBER_INFO: 8 { 0 DiskNumber: u32, 4 BytesPerSector: u32 }
    #[repr(C)]
    CLUS_CHKDSK_INFO: 24 { 0 PartitionNumber: u32, 4 ChkdskState: u32, 8 FileIdCount: u32, 16 FileIdList: [u64; 1] }
    #[repr(C)]
    CLUS_SHARED_VOLUME_BACKUP_MODE: 528 { 0 BackupState: i32, 4 DelayTimerInSecs: u32, 8 VolumeName: [u16; 260] }
    #[repr(C)]
    CLUS_CSV_VOLUME_INFO: 640 { 0 VolumeOffset: u64, 8 PartitionNumber: u32, 12 FaultState: i32, 16 BackupState: i32, 20 szVolumeFriendlyName: [u16; 260], 540 szVolumeName: [u16; 50] }
    #[repr(C)]
    CLUS_CSV_VOLUME_NAME: 1056 { 0 VolumeOffset: i64, 8 szVolumeName: [u16; 260], 528 szRootPath: [u16; 263] }
    #[repr(C)]
    CLUSTER_SHARED_VOLUME_STATE_INFO: 1044 { 0 szVolumeName: [u16; 260], 520 szNodeName: [u16; 260], 1040 VolumeState: i32 }
    #[repr(C)]
    CLUSTER_SHARED_VOLUME_STATE_INFO_EX: 1584 { 0 szVolumeName: [u16; 260], 520 szNodeName: [u16; 260], 1040 VolumeState: i32, 1044 szVolumeFriendlyName: [u16; 260], 1568 RedirectedIOReason: u64, 1576 VolumeRedirectedIOReason: u64 }
    #[repr(C)]
    CLUS_STORAGE_SET_DRIVELETTER: 8 { 0 PartitionNumber: u32, 4 DriveLetterMask: u32 }
    #[repr(C)]
    CLUS_STORAGE_GET_AVAILABLE_DRIVELETTERS: 4 { 0 AvailDrivelettersMask: u32 }
    #[repr(C)]
    CLUS_STORAGE_REMAP_DRIVELETTER: 8 { 0 CurrentDriveLetterMask: u32, 4 TargetDriveLetterMask: u32 }
    #[repr(C)]
    CLUS_NETNAME_VS_TOKEN_INFO: 12 { 0 ProcessID: u32, 4 DesiredAccess: u32, 8 InheritHandle: i32 }
    #[repr(C)]
    CLUS_NETNAME_PWD_INFO: 680 { 0 Flags: u32, 4 Password: [u16; 16], 36 CreatingDC: [u16; 258], 552 ObjectGuid: [u16; 64] }
    #[repr(C)]
    CLUS_NETNAME_PWD_INFOEX: 904 { 0 Flags: u32, 4 Password: [u16; 128], 260 CreatingDC: [u16; 258], 776 ObjectGuid: [u16; 64] }
    #[repr(C)]
    CLUS_NETNAME_IP_INFO_ENTRY: 12 { 0 NodeId: u32, 4 AddressSize: u32, 8 Address: [u8; 1] }
    #[repr(C)]
    CLUS_NETNAME_IP_INFO_FOR_MULTICHANNEL: 144 { 0 szName: [u16; 64], 128 NumEntries: u32, 132 IpInfo: [CLUS_NETNAME_IP_INFO_ENTRY; 1] }
    #[repr(C)]
    CLUS_DNN_LEADER_STATUS: 8 { 0 IsOnline: i32, 4 IsFileServerPresent: i32 }
    #[repr(C)]
    CLUS_DNN_SODAFS_CLONE_STATUS: 8 { 0 NodeId: u32, 4 Status: i32 }
    #[repr(C)]
    FILESHARE_CHANGE: 172 { 0 Change: i32, 4 ShareName: [u16; 84] }
    #[repr(C)]
    FILESHARE_CHANGE_LIST: 4 { 0 NumEntries: u32, 4 ChangeEntry: [FILESHARE_CHANGE; 0] }
    #[repr(C)]
    CLUSCTL_GROUP_GET_LAST_MOVE_TIME_OUTPUT: 32 { 0 GetTickCount64: u64, 8 GetSystemTime: SYSTEMTIME, 24 NodeId: u32 }
    #[repr(C)]
    CLUSTER_RESOURCE_ENUM_ITEM: 96 { 0 dwVersion: u32, 4 cbId: u32, 8 lpszId: *mut WCHAR, 16 cbName: u32, 24 lpszName: *mut WCHAR, 32 cbOwnerGroupName: u32, 40 lpszOwnerGroupName: *mut WCHAR, 48 cbOwnerGroupId: u32, 56 lpszOwnerGroupId: *mut WCHAR, 64 cbProperties: u32, 72 pProperties: *mut c_void, 80 cbRoProperties: u32, 88 pRoProperties: *mut c_void }
}

// Values in property lists. `Info` and `Base` are base classes in the headers: in C their fields stand for themselves.
structures! { VALUE_STRUCTURES:
    #[repr(C, align(4))]
    CLUSPROP_SYNTAX: 4 { 0 wFormat: u16, 2 wType: u16 }
    #[repr(C)]
    CLUSPROP_VALUE: 8 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32 }
    #[repr(C)]
    CLUSPROP_BINARY: 8 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 rgb: [u8; 0] }
    #[repr(C)]
    CLUSPROP_WORD: 12 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 w: u16 }
    #[repr(C)]
    CLUSPROP_DWORD: 12 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 dw: u32 }
    #[repr(C)]
    CLUSPROP_LONG: 12 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 l: i32 }
    #[repr(C)]
    CLUSPROP_SZ: 8 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 sz: [u16; 0] }
    #[repr(C)]
    CLUSPROP_ULARGE_INTEGER: 16 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 li: u64 }
    #[repr(C)]
    CLUSPROP_LARGE_INTEGER: 16 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 li: i64 }
    #[repr(C)]
    CLUSPROP_SECURITY_DESCRIPTOR: 28 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 rgbSecurityDescriptor: [u8; 20] }
    #[repr(C)]
    CLUSPROP_FILETIME: 16 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 ft: FILETIME }
    #[repr(C)]
    CLUSPROP_RESOURCE_CLASS: 12 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 rc: i32 }
    #[repr(C)]
    CLUSPROP_RESOURCE_CLASS_INFO: 16 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 Info: CLUS_RESOURCE_CLASS_INFO }
    #[repr(C)]
    CLUSPROP_SCSI_ADDRESS: 12 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 Info: CLUS_SCSI_ADDRESS }
    #[repr(C)]
    CLUSPROP_FTSET_INFO: 16 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 Info: CLUS_FTSET_INFO }
    #[repr(C)]
    CLUSPROP_PARTITION_INFO: 1128 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 Info: CLUS_PARTITION_INFO }
    #[repr(C)]
    CLUSPROP_PARTITION_INFO_EX: 1168 { 0 Syntax: CLUSPROP_SYNTAX, 4 cbLength: u32, 8 Info: CLUS_PARTITION_INFO_EX }
    #[repr(C)]
    CLUSPROP_PARTITION_INFO_EX2: 1712 { 0 Base: CLUSPROP_PARTITION_INFO_EX, 1168 Info: CLUS_PARTITION_INFO_EX2 }
    #[repr(C)]
    CLUSPROP_LIST: 12 { 0 nPropertyCount: u32, 4 PropertyName: CLUSPROP_SZ }
}

/// What `CLUSCTL_RESOURCE_GET_REQUIRED_DEPENDENCIES` lists: told apart by the syntax.
///
/// Windows: clusapi/ns-clusapi-clusprop_required_dependency
#[repr(C)]
#[derive(Clone, Copy)]
pub union CLUSPROP_REQUIRED_DEPENDENCY {
    pub Value: CLUSPROP_VALUE,
    pub ResClass: CLUSPROP_RESOURCE_CLASS,
    pub ResTypeName: CLUSPROP_SZ,
}

/// A cursor in a property list. Lists are aligned to four bytes only: read through it unaligned.
///
/// Windows: clusapi/ns-clusapi-clusprop_buffer_helper
#[repr(C)]
#[derive(Clone, Copy)]
pub union CLUSPROP_BUFFER_HELPER {
    pub pb: *mut u8,
    pub pw: *mut u16,
    pub pdw: *mut u32,
    pub pl: *mut i32,
    pub psz: *mut WCHAR,
    pub pList: *mut CLUSPROP_LIST,
    pub pSyntax: *mut CLUSPROP_SYNTAX,
    pub pName: *mut CLUSPROP_SZ,
    pub pValue: *mut CLUSPROP_VALUE,
    pub pBinaryValue: *mut CLUSPROP_BINARY,
    pub pWordValue: *mut CLUSPROP_WORD,
    pub pDwordValue: *mut CLUSPROP_DWORD,
    pub pLongValue: *mut CLUSPROP_LONG,
    pub pULargeIntegerValue: *mut CLUSPROP_ULARGE_INTEGER,
    pub pLargeIntegerValue: *mut CLUSPROP_LARGE_INTEGER,
    pub pStringValue: *mut CLUSPROP_SZ,
    pub pMultiSzValue: *mut CLUSPROP_SZ,
    pub pSecurityDescriptor: *mut CLUSPROP_SECURITY_DESCRIPTOR,
    pub pResourceClassValue: *mut CLUSPROP_RESOURCE_CLASS,
    pub pResourceClassInfoValue: *mut CLUSPROP_RESOURCE_CLASS_INFO,
    pub pDiskSignatureValue: *mut CLUSPROP_DWORD,
    pub pScsiAddressValue: *mut CLUSPROP_SCSI_ADDRESS,
    pub pDiskNumberValue: *mut CLUSPROP_DWORD,
    pub pPartitionInfoValue: *mut CLUSPROP_PARTITION_INFO,
    pub pRequiredDependencyValue: *mut CLUSPROP_REQUIRED_DEPENDENCY,
    pub pPartitionInfoValueEx: *mut CLUSPROP_PARTITION_INFO_EX,
    pub pPartitionInfoValueEx2: *mut CLUSPROP_PARTITION_INFO_EX2,
    pub pFileTimeValue: *mut CLUSPROP_FILETIME,
}

// The monitor's own record, and what property tables are made of.
structures! { OTHER_STRUCTURES:
    #[repr(C)]
    MONITOR_STATE: 32 { 0 LastUpdate: i64, 8 State: i32, 16 ActiveResource: *mut c_void, 24 ResmonStop: i32 }
    #[repr(C)]
    POST_UPGRADE_VERSION_INFO: 20 {
        0 newMajorVersion: u32, 4 newUpgradeVersion: u32, 8 oldMajorVersion: u32, 12 oldUpgradeVersion: u32,
        16 reserved: u32
    }
    #[repr(C)]
    RESUTIL_LARGEINT_DATA: 24 { 0 Default: i64, 8 Minimum: i64, 16 Maximum: i64 }
    #[repr(C)]
    RESUTIL_ULARGEINT_DATA: 24 { 0 Default: u64, 8 Minimum: u64, 16 Maximum: u64 }
    #[repr(C)]
    RESUTIL_FILETIME_DATA: 24 { 0 Default: FILETIME, 8 Minimum: FILETIME, 16 Maximum: FILETIME }
    #[repr(C)]
    RESUTIL_PROPERTY_ITEM: 48 {
        0 Name: *mut WCHAR, 8 KeyName: *mut WCHAR, 16 Format: u32, 24 Anonymous: RESUTIL_PROPERTY_DEFAULT,
        32 Minimum: u32, 36 Maximum: u32, 40 Flags: u32, 44 Offset: u32
    }
}

/// The default of a property in a table: a value or a pointer, by its format.
///
/// Windows: resapi/ns-resapi-resutil_property_item
#[repr(C)]
#[derive(Clone, Copy)]
pub union RESUTIL_PROPERTY_DEFAULT {
    pub DefaultPtr: usize,
    pub Default: u32,
    pub lpDefault: *mut c_void,
    pub LargeIntData: *mut RESUTIL_LARGEINT_DATA,
    pub ULargeIntData: *mut RESUTIL_ULARGEINT_DATA,
    pub FileTimeData: *mut RESUTIL_FILETIME_DATA,
}

const _: () =
    assert!(size_of::<CLUSPROP_REQUIRED_DEPENDENCY>() == 12 && size_of::<RESUTIL_PROPERTY_DEFAULT>() == 8);
const _: () = assert!(size_of::<CLUSPROP_BUFFER_HELPER>() == 8);
