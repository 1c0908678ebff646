/*
 * States, flags, characteristics, control codes and property lists of a failover cluster, under Windows' names.
 */
#ifndef STEAD_CLUSAPI_H
#define STEAD_CLUSAPI_H

#include "windows.h"

#ifdef __GNUC__
/* Nameless structures and arrays without a length are as documented; no standard of C or C++ has all of them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _HCLUSTER *HCLUSTER;
typedef struct _HRESOURCE *HRESOURCE;
typedef struct _HGROUP *HGROUP;
typedef struct _HNODE *HNODE;
typedef struct _SECURITY_ATTRIBUTES *LPSECURITY_ATTRIBUTES;
typedef void *PSECURITY_DESCRIPTOR;

typedef enum CLUSTER_RESOURCE_STATE {
    ClusterResourceStateUnknown = -1,
    ClusterResourceInherited = 0,
    ClusterResourceInitializing = 1,
    ClusterResourceOnline = 2,
    ClusterResourceOffline = 3,
    ClusterResourceFailed = 4,
    ClusterResourcePending = 128,
    ClusterResourceOnlinePending = 129,
    ClusterResourceOfflinePending = 130,
} CLUSTER_RESOURCE_STATE, *PCLUSTER_RESOURCE_STATE;

#define ClusterResourceCannotComeOnlineOnAnyNode ((CLUSTER_RESOURCE_STATE)126)
#define ClusterResourceCannotComeOnlineOnThisNode ((CLUSTER_RESOURCE_STATE)127)

typedef enum CLUSTER_GROUP_STATE {
    ClusterGroupStateUnknown = -1,
    ClusterGroupOnline = 0,
    ClusterGroupOffline = 1,
    ClusterGroupFailed = 2,
    ClusterGroupPartialOnline = 3,
    ClusterGroupPending = 4,
} CLUSTER_GROUP_STATE, *PCLUSTER_GROUP_STATE;

typedef enum CLUSTER_RESOURCE_RESTART_ACTION {
    ClusterResourceDontRestart = 0,
    ClusterResourceRestartNoNotify = 1,
    ClusterResourceRestartNotify = 2,
    ClusterResourceRestartActionCount = 3,
} CLUSTER_RESOURCE_RESTART_ACTION, *PCLUSTER_RESOURCE_RESTART_ACTION;

typedef enum CLUSTER_RESOURCE_EMBEDDED_FAILURE_ACTION {
    ClusterResourceEmbeddedFailureActionNone = 0,
    ClusterResourceEmbeddedFailureActionLogOnly = 1,
    ClusterResourceEmbeddedFailureActionRecover = 2,
} CLUSTER_RESOURCE_EMBEDDED_FAILURE_ACTION, *PCLUSTER_RESOURCE_EMBEDDED_FAILURE_ACTION;

typedef enum CLUSTER_RESOURCE_CREATE_FLAGS {
    CLUSTER_RESOURCE_DEFAULT_MONITOR = 0,
    CLUSTER_RESOURCE_SEPARATE_MONITOR = 1,
    CLUSTER_RESOURCE_VALID_FLAGS = 1,
} CLUSTER_RESOURCE_CREATE_FLAGS, *PCLUSTER_RESOURCE_CREATE_FLAGS;

typedef enum CLUSTER_RESOURCE_CLASS {
    CLUS_RESCLASS_UNKNOWN = 0,
    CLUS_RESCLASS_STORAGE = 1,
    CLUS_RESCLASS_NETWORK = 2,
    CLUS_RESCLASS_USER = 32768,
} CLUSTER_RESOURCE_CLASS, *PCLUSTER_RESOURCE_CLASS;

typedef enum CLUSTER_RESOURCE_STATE_CHANGE_REASON {
    eResourceStateChangeReasonUnknown = 0,
    eResourceStateChangeReasonMove = 1,
    eResourceStateChangeReasonFailover = 2,
    eResourceStateChangeReasonFailedMove = 3,
    eResourceStateChangeReasonShutdown = 4,
    eResourceStateChangeReasonRundown = 5,
} CLUSTER_RESOURCE_STATE_CHANGE_REASON, *PCLUSTER_RESOURCE_STATE_CHANGE_REASON;

typedef enum RESDLL_CONTEXT_OPERATION_TYPE {
    ResdllContextOperationTypeFailback = 0,
    ResdllContextOperationTypeDrain = 1,
    ResdllContextOperationTypeDrainFailure = 2,
    ResdllContextOperationTypeEmbeddedFailure = 3,
    ResdllContextOperationTypePreemption = 4,
    ResdllContextOperationTypeNetworkDisconnect = 5,
    ResdllContextOperationTypeNetworkDisconnectMoveRetry = 6,
} RESDLL_CONTEXT_OPERATION_TYPE, *PRESDLL_CONTEXT_OPERATION_TYPE;

typedef enum MAINTENANCE_MODE_TYPE_ENUM {
    MaintenanceModeTypeDisableIsAliveCheck = 1,
    MaintenanceModeTypeOfflineResource = 2,
    MaintenanceModeTypeUnclusterResource = 3,
} MAINTENANCE_MODE_TYPE_ENUM, *PMAINTENANCE_MODE_TYPE_ENUM;

/* Flags of requests. */
#define CLUSAPI_RESOURCE_ONLINE_IGNORE_RESOURCE_STATUS 1
#define CLUSAPI_RESOURCE_ONLINE_DO_NOT_UPDATE_PERSISTENT_STATE 2
#define CLUSAPI_RESOURCE_ONLINE_NECESSARY_FOR_QUORUM 4
#define CLUSAPI_RESOURCE_ONLINE_BEST_POSSIBLE_NODE 8
#define CLUSAPI_RESOURCE_ONLINE_IGNORE_AFFINITY_RULE 0x20
#define CLUSAPI_RESOURCE_OFFLINE_IGNORE_RESOURCE_STATUS 1
#define CLUSAPI_RESOURCE_OFFLINE_FORCE_WITH_TERMINATION 2
#define CLUSAPI_RESOURCE_OFFLINE_DO_NOT_UPDATE_PERSISTENT_STATE 4
#define CLUSAPI_GROUP_MOVE_IGNORE_RESOURCE_STATUS 1
#define CLUSAPI_GROUP_MOVE_RETURN_TO_SOURCE_NODE_ON_ERROR 2
#define CLUSAPI_GROUP_MOVE_QUEUE_ENABLED 4
#define CLUSAPI_GROUP_MOVE_HIGH_PRIORITY_START 8
#define CLUSAPI_GROUP_MOVE_FAILBACK 0x10
#define CLUSAPI_GROUP_MOVE_IGNORE_AFFINITY_RULE 0x20
#define CLUSAPI_RESOURCE_OFFLINE_REASON_NONE 0
#define CLUSAPI_RESOURCE_OFFLINE_REASON_UNKNOWN 1
#define CLUSAPI_RESOURCE_OFFLINE_REASON_MOVING 2
#define CLUSAPI_RESOURCE_OFFLINE_REASON_USER_REQUESTED 4
#define CLUSAPI_RESOURCE_OFFLINE_REASON_BEING_DELETED 8
#define CLUSAPI_RESOURCE_OFFLINE_REASON_BEING_RESTARTED 0x10
#define CLUSAPI_RESOURCE_OFFLINE_REASON_PREEMPTED 0x20
#define CLUSAPI_RESOURCE_OFFLINE_REASON_SHUTTING_DOWN 0x40

/* StatusInformation. */
#define CLUSRES_STATUS_LOCKED_MODE 1
#define CLUSGRP_STATUS_LOCKED_MODE 1
#define CLUSRES_STATUS_EMBEDDED_FAILURE 2
#define CLUSGRP_STATUS_PREEMPTED 2
#define CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_CPU 4
#define CLUSGRP_STATUS_WAITING_IN_QUEUE_FOR_MOVE 4
#define CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_MEMORY 8
#define CLUSGRP_STATUS_PHYSICAL_RESOURCES_LACKING 8
#define CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_GENERIC_RESOURCES 0x10
#define CLUSGRP_STATUS_WAITING_TO_START 0x10
#define CLUSRES_STATUS_NETWORK_FAILURE 0x20
#define CLUSGRP_STATUS_EMBEDDED_FAILURE 0x20
#define CLUSRES_STATUS_UNMONITORED 0x40
#define CLUSGRP_STATUS_OFFLINE_DUE_TO_ANTIAFFINITY_CONFLICT 0x40
#define CLUSRES_STATUS_OS_HEARTBEAT 0x80
#define CLUSGRP_STATUS_NETWORK_FAILURE 0x80
#define CLUSRES_STATUS_APPLICATION_READY 0x100
#define CLUSGRP_STATUS_UNMONITORED 0x100
#define CLUSRES_STATUS_OFFLINE_NOT_LOCAL_DISK_OWNER 0x200
#define CLUSGRP_STATUS_OS_HEARTBEAT 0x200
#define CLUSGRP_STATUS_APPLICATION_READY 0x400
#define CLUSGRP_STATUS_OFFLINE_NOT_LOCAL_DISK_OWNER 0x800
#define CLUSGRP_STATUS_WAITING_FOR_DEPENDENCIES 0x1000

/* Characteristics. */
typedef enum CLUS_CHARACTERISTICS {
    CLUS_CHAR_UNKNOWN = 0,
    CLUS_CHAR_QUORUM = 1,
    CLUS_CHAR_DELETE_REQUIRES_ALL_NODES = 2,
    CLUS_CHAR_LOCAL_QUORUM = 4,
    CLUS_CHAR_LOCAL_QUORUM_DEBUG = 8,
    CLUS_CHAR_REQUIRES_STATE_CHANGE_REASON = 0x10,
    CLUS_CHAR_BROADCAST_DELETE = 0x20,
    CLUS_CHAR_SINGLE_CLUSTER_INSTANCE = 0x40,
    CLUS_CHAR_SINGLE_GROUP_INSTANCE = 0x80,
    CLUS_CHAR_COEXIST_IN_SHARED_VOLUME_GROUP = 0x100,
    CLUS_CHAR_PLACEMENT_DATA = 0x200,
    CLUS_CHAR_MONITOR_DETACH = 0x400,
    CLUS_CHAR_MONITOR_REATTACH = 0x800,
    CLUS_CHAR_OPERATION_CONTEXT = 0x1000,
    CLUS_CHAR_CLONES = 0x2000,
    CLUS_CHAR_NOT_PREEMPTABLE = 0x4000,
    CLUS_CHAR_NOTIFY_NEW_OWNER = 0x8000,
    CLUS_CHAR_SUPPORTS_UNMONITORED_STATE = 0x10000,
    CLUS_CHAR_INFRASTRUCTURE = 0x20000,
    CLUS_CHAR_VETO_DRAIN = 0x40000,
    CLUS_CHAR_DRAIN_LOCAL_OFFLINE = 0x80000,
} CLUS_CHARACTERISTICS;

/* Property lists. */
#define ALIGN_CLUSPROP(count) (((count) + 3) & ~3)
#define CLUSPROP_FORMAT_UNKNOWN 0
#define CLUSPROP_TYPE_UNKNOWN (-1)
#define CLUSPROP_SYNTAX_ENDMARK 0
#define CLUSPROP_FORMAT_BINARY 1
#define CLUSPROP_TYPE_ENDMARK 0
#define CLUSPROP_SYNTAX_NAME 0x40003
#define CLUSPROP_FORMAT_DWORD 2
#define CLUSPROP_TYPE_LIST_VALUE 1
#define CLUSPROP_SYNTAX_RESCLASS 0x20002
#define CLUSPROP_FORMAT_SZ 3
#define CLUSPROP_TYPE_RESCLASS 2
#define CLUSPROP_SYNTAX_LIST_VALUE_BINARY 0x10001
#define CLUSPROP_FORMAT_EXPAND_SZ 4
#define CLUSPROP_SYNTAX_LIST_VALUE_DWORD 0x10002
#define CLUSPROP_FORMAT_MULTI_SZ 5
#define CLUSPROP_TYPE_NAME 4
#define CLUSPROP_SYNTAX_LIST_VALUE_SZ 0x10003
#define CLUSPROP_FORMAT_ULARGE_INTEGER 6
#define CLUSPROP_TYPE_SIGNATURE 5
#define CLUSPROP_SYNTAX_LIST_VALUE_EXPAND_SZ 0x10004
#define CLUSPROP_FORMAT_LONG 7
#define CLUSPROP_TYPE_SCSI_ADDRESS 6
#define CLUSPROP_SYNTAX_LIST_VALUE_MULTI_SZ 0x10005
#define CLUSPROP_FORMAT_EXPANDED_SZ 8
#define CLUSPROP_TYPE_DISK_NUMBER 7
#define CLUSPROP_SYNTAX_LIST_VALUE_ULARGE_INTEGER 0x10006
#define CLUSPROP_FORMAT_SECURITY_DESCRIPTOR 9
#define CLUSPROP_TYPE_PARTITION_INFO 8
#define CLUSPROP_SYNTAX_LIST_VALUE_LONG 0x10007
#define CLUSPROP_FORMAT_LARGE_INTEGER 0xA
#define CLUSPROP_TYPE_FTSET_INFO 9
#define CLUSPROP_SYNTAX_LIST_VALUE_EXPANDED_SZ 0x10008
#define CLUSPROP_FORMAT_WORD 0xB
#define CLUSPROP_TYPE_DISK_SERIALNUMBER 0xA
#define CLUSPROP_SYNTAX_LIST_VALUE_SECURITY_DESCRIPTOR 0x10009
#define CLUSPROP_FORMAT_FILETIME 0xC
#define CLUSPROP_TYPE_DISK_GUID 0xB
#define CLUSPROP_SYNTAX_LIST_VALUE_LARGE_INTEGER 0x1000A
#define CLUSPROP_FORMAT_VALUE_LIST 0xD
#define CLUSPROP_TYPE_DISK_SIZE 0xC
#define CLUSPROP_SYNTAX_LIST_VALUE_WORD 0x1000B
#define CLUSPROP_FORMAT_PROPERTY_LIST 0xE
#define CLUSPROP_TYPE_PARTITION_INFO_EX 0xD
#define CLUSPROP_SYNTAX_LIST_VALUE_FILETIME 0x1000C
#define CLUSPROP_FORMAT_USER 0x8000
#define CLUSPROP_TYPE_PARTITION_INFO_EX2 0xE
#define CLUSPROP_SYNTAX_LIST_VALUE_PROPERTY_LIST 0x1000E
#define CLUSPROP_TYPE_STORAGE_DEVICE_ID_DESCRIPTOR 0xF
#define CLUSPROP_SYNTAX_DISK_SIGNATURE 0x50002
#define CLUSPROP_TYPE_USER 0x8000
#define CLUSPROP_SYNTAX_SCSI_ADDRESS 0x60002
#define CLUSPROP_SYNTAX_DISK_NUMBER 0x70002
#define CLUSPROP_SYNTAX_PARTITION_INFO 0x80001
#define CLUSPROP_SYNTAX_PARTITION_INFO_EX 0xD0001
#define CLUSPROP_SYNTAX_PARTITION_INFO_EX2 0xE0001
#define CLUSPROP_SYNTAX_FTSET_INFO 0x90001
#define CLUSPROP_SYNTAX_DISK_SERIALNUMBER 0xA0003
#define CLUSPROP_SYNTAX_DISK_GUID 0xB0003
#define CLUSPROP_SYNTAX_DISK_SIZE 0xC0006
#define CLUSPROP_SYNTAX_STORAGE_DEVICE_ID_DESCRIPTOR 0xF0001

typedef union CLUSPROP_SYNTAX { DWORD dw; struct { WORD wFormat; WORD wType; } DUMMYSTRUCTNAME; } CLUSPROP_SYNTAX;
typedef struct CLUSPROP_VALUE { CLUSPROP_SYNTAX Syntax; DWORD cbLength; } CLUSPROP_VALUE, *PCLUSPROP_VALUE;
typedef struct CLUS_RESOURCE_CLASS_INFO {
    union { DWORD dw; CLUSTER_RESOURCE_CLASS rc; } DUMMYUNIONNAME;
    DWORD SubClass;
} __attribute__((aligned(8))) CLUS_RESOURCE_CLASS_INFO, *PCLUS_RESOURCE_CLASS_INFO;
typedef struct CLUSCTL_RESOURCE_STATE_CHANGE_REASON_STRUCT {
    DWORD dwSize;
    DWORD dwVersion;
    CLUSTER_RESOURCE_STATE_CHANGE_REASON eReason;
} CLUSCTL_RESOURCE_STATE_CHANGE_REASON_STRUCT;
typedef struct CLUS_MAINTENANCE_MODE_INFO { BOOL InMaintenance; } CLUS_MAINTENANCE_MODE_INFO;
typedef struct CLUS_STARTING_PARAMS { DWORD dwSize; BOOL bForm; BOOL bFirst; } CLUS_STARTING_PARAMS;

/* What control codes take and give, and values in property lists. */
#define CLUSCTL_GET_OPERATION_CONTEXT_PARAMS_VERSION_1 1
typedef struct GET_OPERATION_CONTEXT_PARAMS {
    DWORD Size; DWORD Version; LONG Type; DWORD Priority;
} GET_OPERATION_CONTEXT_PARAMS, *PGET_OPERATION_CONTEXT_PARAMS;
typedef struct CLUS_PROVIDER_STATE_CHANGE_INFO {
    DWORD dwSize; LONG resourceState; WCHAR szProviderId[1];
} CLUS_PROVIDER_STATE_CHANGE_INFO, *PCLUS_PROVIDER_STATE_CHANGE_INFO;
typedef struct RESOURCE_FAILURE_INFO {
    DWORD dwRestartAttemptsRemaining; DWORD dwRestartPeriodRemaining;
} RESOURCE_FAILURE_INFO, *PRESOURCE_FAILURE_INFO;
typedef struct RESOURCE_FAILURE_INFO_BUFFER {
    DWORD dwVersion; RESOURCE_FAILURE_INFO Info;
} RESOURCE_FAILURE_INFO_BUFFER, *PRESOURCE_FAILURE_INFO_BUFFER;
typedef struct RESOURCE_TERMINAL_FAILURE_INFO_BUFFER {
    LONG isTerminalFailure; DWORD restartPeriodRemaining;
} RESOURCE_TERMINAL_FAILURE_INFO_BUFFER, *PRESOURCE_TERMINAL_FAILURE_INFO_BUFFER;
typedef struct GROUP_FAILURE_INFO {
    DWORD dwFailoverAttemptsRemaining; DWORD dwFailoverPeriodRemaining;
} GROUP_FAILURE_INFO, *PGROUP_FAILURE_INFO;
typedef struct GROUP_FAILURE_INFO_BUFFER {
    DWORD dwVersion; GROUP_FAILURE_INFO Info;
} GROUP_FAILURE_INFO_BUFFER, *PGROUP_FAILURE_INFO_BUFFER;
typedef struct CLUS_MAINTENANCE_MODE_INFOEX {
    LONG InMaintenance; LONG MaintainenceModeType; LONG InternalState; DWORD Signature;
} CLUS_MAINTENANCE_MODE_INFOEX, *PCLUS_MAINTENANCE_MODE_INFOEX;
typedef struct CLUS_SET_MAINTENANCE_MODE_INPUT {
    LONG InMaintenance; DWORD ExtraParameterSize; BYTE ExtraParameter[1];
} CLUS_SET_MAINTENANCE_MODE_INPUT, *PCLUS_SET_MAINTENANCE_MODE_INPUT;
typedef struct CLUS_CSV_MAINTENANCE_MODE_INFO {
    LONG InMaintenance; WCHAR VolumeName[260];
} CLUS_CSV_MAINTENANCE_MODE_INFO, *PCLUS_CSV_MAINTENANCE_MODE_INFO;
typedef struct CLUS_FORCE_QUORUM_INFO {
    DWORD dwSize; DWORD dwNodeBitMask; DWORD dwMaxNumberofNodes; WCHAR multiszNodeList[1];
} CLUS_FORCE_QUORUM_INFO, *PCLUS_FORCE_QUORUM_INFO;
typedef struct NodeUtilizationInfoElement {
    ULONGLONG Id; ULONGLONG AvailableMemory; ULONGLONG AvailableMemoryAfterReclamation;
} NodeUtilizationInfoElement, *PNodeUtilizationInfoElement;
typedef struct ResourceUtilizationInfoElement {
    ULONGLONG PhysicalNumaId; ULONGLONG CurrentMemory;
} ResourceUtilizationInfoElement, *PResourceUtilizationInfoElement;
typedef struct CLUSTER_HEALTH_FAULT {
    LPWSTR Id; DWORD ErrorType; DWORD ErrorCode; LPWSTR Description; LPWSTR Provider; DWORD Flags; DWORD Reserved;
} CLUSTER_HEALTH_FAULT, *PCLUSTER_HEALTH_FAULT;
typedef struct CLUSTER_HEALTH_FAULT_ARRAY {
    DWORD numFaults; CLUSTER_HEALTH_FAULT *faults;
} CLUSTER_HEALTH_FAULT_ARRAY, *PCLUSTER_HEALTH_FAULT_ARRAY;
typedef struct CLUS_PARTITION_INFO {
    DWORD dwFlags; WCHAR szDeviceName[260]; WCHAR szVolumeLabel[260]; DWORD dwSerialNumber; DWORD
    rgdwMaximumComponentLength; DWORD dwFileSystemFlags; WCHAR szFileSystem[32];
} CLUS_PARTITION_INFO, *PCLUS_PARTITION_INFO;
typedef struct CLUS_PARTITION_INFO_EX {
    DWORD dwFlags; WCHAR szDeviceName[260]; WCHAR szVolumeLabel[260]; DWORD dwSerialNumber; DWORD
    rgdwMaximumComponentLength; DWORD dwFileSystemFlags; WCHAR szFileSystem[32]; ULONGLONG TotalSizeInBytes;
    ULONGLONG FreeSizeInBytes; DWORD DeviceNumber; DWORD PartitionNumber; GUID VolumeGuid;
} CLUS_PARTITION_INFO_EX, *PCLUS_PARTITION_INFO_EX;
typedef struct CLUS_PARTITION_INFO_EX2 {
    GUID GptPartitionId; WCHAR szPartitionName[260]; DWORD EncryptionFlags;
} CLUS_PARTITION_INFO_EX2, *PCLUS_PARTITION_INFO_EX2;
typedef struct CLUS_FTSET_INFO { DWORD dwRootSignature; DWORD dwFtType; } CLUS_FTSET_INFO, *PCLUS_FTSET_INFO;
typedef struct CLUS_SCSI_ADDRESS {
    union { struct { BYTE PortNumber; BYTE PathId; BYTE TargetId; BYTE Lun; } DUMMYSTRUCTNAME; DWORD dw; }
    DUMMYUNIONNAME;
} CLUS_SCSI_ADDRESS, *PCLUS_SCSI_ADDRESS;
typedef struct CLUS_DISK_NUMBER_INFO {
    DWORD DiskNumber; DWORD BytesPerSector;
} CLUS_DISK_NUMBER_INFO, *PCLUS_DISK_NUMBER_INFO;
typedef struct CLUS_CHKDSK_INFO {
    DWORD PartitionNumber; DWORD ChkdskState; DWORD FileIdCount; ULONGLONG FileIdList[1];
} CLUS_CHKDSK_INFO, *PCLUS_CHKDSK_INFO;
typedef struct CLUS_SHARED_VOLUME_BACKUP_MODE {
    LONG BackupState; DWORD DelayTimerInSecs; WCHAR VolumeName[260];
} CLUS_SHARED_VOLUME_BACKUP_MODE, *PCLUS_SHARED_VOLUME_BACKUP_MODE;
typedef struct CLUS_CSV_VOLUME_INFO {
    ULONGLONG VolumeOffset; DWORD PartitionNumber; LONG FaultState; LONG BackupState; WCHAR
    szVolumeFriendlyName[260]; WCHAR szVolumeName[50];
} CLUS_CSV_VOLUME_INFO, *PCLUS_CSV_VOLUME_INFO;
typedef struct CLUS_CSV_VOLUME_NAME {
    LONGLONG VolumeOffset; WCHAR szVolumeName[260]; WCHAR szRootPath[263];
} CLUS_CSV_VOLUME_NAME, *PCLUS_CSV_VOLUME_NAME;
typedef struct CLUSTER_SHARED_VOLUME_STATE_INFO {
    WCHAR szVolumeName[260]; WCHAR szNodeName[260]; LONG VolumeState;
} CLUSTER_SHARED_VOLUME_STATE_INFO, *PCLUSTER_SHARED_VOLUME_STATE_INFO;
typedef struct CLUSTER_SHARED_VOLUME_STATE_INFO_EX {
    WCHAR szVolumeName[260]; WCHAR szNodeName[260]; LONG VolumeState; WCHAR szVolumeFriendlyName[260]; ULONGLONG
    RedirectedIOReason; ULONGLONG VolumeRedirectedIOReason;
} CLUSTER_SHARED_VOLUME_STATE_INFO_EX, *PCLUSTER_SHARED_VOLUME_STATE_INFO_EX;
typedef struct CLUS_STORAGE_SET_DRIVELETTER {
    DWORD PartitionNumber; DWORD DriveLetterMask;
} CLUS_STORAGE_SET_DRIVELETTER, *PCLUS_STORAGE_SET_DRIVELETTER;
typedef struct CLUS_STORAGE_GET_AVAILABLE_DRIVELETTERS {
    DWORD AvailDrivelettersMask;
} CLUS_STORAGE_GET_AVAILABLE_DRIVELETTERS, *PCLUS_STORAGE_GET_AVAILABLE_DRIVELETTERS;
typedef struct CLUS_STORAGE_REMAP_DRIVELETTER {
    DWORD CurrentDriveLetterMask; DWORD TargetDriveLetterMask;
} CLUS_STORAGE_REMAP_DRIVELETTER, *PCLUS_STORAGE_REMAP_DRIVELETTER;
typedef struct CLUS_NETNAME_VS_TOKEN_INFO {
    DWORD ProcessID; DWORD DesiredAccess; LONG InheritHandle;
} CLUS_NETNAME_VS_TOKEN_INFO, *PCLUS_NETNAME_VS_TOKEN_INFO;
typedef struct CLUS_NETNAME_PWD_INFO {
    DWORD Flags; WCHAR Password[16]; WCHAR CreatingDC[258]; WCHAR ObjectGuid[64];
} CLUS_NETNAME_PWD_INFO, *PCLUS_NETNAME_PWD_INFO;
typedef struct CLUS_NETNAME_PWD_INFOEX {
    DWORD Flags; WCHAR Password[128]; WCHAR CreatingDC[258]; WCHAR ObjectGuid[64];
} CLUS_NETNAME_PWD_INFOEX, *PCLUS_NETNAME_PWD_INFOEX;
typedef struct CLUS_NETNAME_IP_INFO_ENTRY {
    DWORD NodeId; DWORD AddressSize; BYTE Address[1];
} CLUS_NETNAME_IP_INFO_ENTRY, *PCLUS_NETNAME_IP_INFO_ENTRY;
typedef struct CLUS_NETNAME_IP_INFO_FOR_MULTICHANNEL {
    WCHAR szName[64]; DWORD NumEntries; CLUS_NETNAME_IP_INFO_ENTRY IpInfo[1];
} CLUS_NETNAME_IP_INFO_FOR_MULTICHANNEL, *PCLUS_NETNAME_IP_INFO_FOR_MULTICHANNEL;
typedef struct CLUS_DNN_LEADER_STATUS {
    LONG IsOnline; LONG IsFileServerPresent;
} CLUS_DNN_LEADER_STATUS, *PCLUS_DNN_LEADER_STATUS;
typedef struct CLUS_DNN_SODAFS_CLONE_STATUS {
    DWORD NodeId; LONG Status;
} CLUS_DNN_SODAFS_CLONE_STATUS, *PCLUS_DNN_SODAFS_CLONE_STATUS;
typedef struct FILESHARE_CHANGE { LONG Change; WCHAR ShareName[84]; } FILESHARE_CHANGE, *PFILESHARE_CHANGE;
typedef struct FILESHARE_CHANGE_LIST {
    DWORD NumEntries; FILESHARE_CHANGE ChangeEntry[];
} FILESHARE_CHANGE_LIST, *PFILESHARE_CHANGE_LIST;
typedef struct CLUSCTL_GROUP_GET_LAST_MOVE_TIME_OUTPUT {
    ULONGLONG GetTickCount64; SYSTEMTIME GetSystemTime; DWORD NodeId;
} CLUSCTL_GROUP_GET_LAST_MOVE_TIME_OUTPUT, *PCLUSCTL_GROUP_GET_LAST_MOVE_TIME_OUTPUT;
typedef struct CLUSTER_RESOURCE_ENUM_ITEM {
    DWORD dwVersion; DWORD cbId; LPWSTR lpszId; DWORD cbName; LPWSTR lpszName; DWORD cbOwnerGroupName; LPWSTR
    lpszOwnerGroupName; DWORD cbOwnerGroupId; LPWSTR lpszOwnerGroupId; DWORD cbProperties; PVOID pProperties; DWORD
    cbRoProperties; PVOID pRoProperties;
} CLUSTER_RESOURCE_ENUM_ITEM, *PCLUSTER_RESOURCE_ENUM_ITEM;
typedef struct CLUSPROP_BINARY {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; BYTE rgb[];
} CLUSPROP_BINARY, *PCLUSPROP_BINARY;
typedef struct CLUSPROP_WORD { CLUSPROP_SYNTAX Syntax; DWORD cbLength; WORD w; } CLUSPROP_WORD, *PCLUSPROP_WORD;
typedef struct CLUSPROP_DWORD { CLUSPROP_SYNTAX Syntax; DWORD cbLength; DWORD dw; } CLUSPROP_DWORD, *PCLUSPROP_DWORD;
typedef struct CLUSPROP_LONG { CLUSPROP_SYNTAX Syntax; DWORD cbLength; LONG l; } CLUSPROP_LONG, *PCLUSPROP_LONG;
typedef struct CLUSPROP_SZ { CLUSPROP_SYNTAX Syntax; DWORD cbLength; WCHAR sz[]; } CLUSPROP_SZ, *PCLUSPROP_SZ;
typedef struct CLUSPROP_ULARGE_INTEGER {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; ULARGE_INTEGER li;
} CLUSPROP_ULARGE_INTEGER, *PCLUSPROP_ULARGE_INTEGER;
typedef struct CLUSPROP_LARGE_INTEGER {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; LARGE_INTEGER li;
} CLUSPROP_LARGE_INTEGER, *PCLUSPROP_LARGE_INTEGER;
typedef struct CLUSPROP_SECURITY_DESCRIPTOR {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; BYTE rgbSecurityDescriptor[20];
} CLUSPROP_SECURITY_DESCRIPTOR, *PCLUSPROP_SECURITY_DESCRIPTOR;
typedef struct CLUSPROP_FILETIME {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; FILETIME ft;
} CLUSPROP_FILETIME, *PCLUSPROP_FILETIME;
typedef struct CLUSPROP_RESOURCE_CLASS {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; LONG rc;
} CLUSPROP_RESOURCE_CLASS, *PCLUSPROP_RESOURCE_CLASS;
typedef struct CLUSPROP_RESOURCE_CLASS_INFO {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; struct { union { DWORD dw; CLUSTER_RESOURCE_CLASS rc; } DUMMYUNIONNAME;
    DWORD SubClass; } __attribute__((aligned(8))) DUMMYSTRUCTNAME;
} CLUSPROP_RESOURCE_CLASS_INFO, *PCLUSPROP_RESOURCE_CLASS_INFO;
typedef struct CLUSPROP_SCSI_ADDRESS {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; union { struct { BYTE PortNumber; BYTE PathId; BYTE TargetId; BYTE Lun;
    } DUMMYSTRUCTNAME; DWORD dw; } DUMMYUNIONNAME;
} CLUSPROP_SCSI_ADDRESS, *PCLUSPROP_SCSI_ADDRESS;
typedef struct CLUSPROP_FTSET_INFO {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; struct { DWORD dwRootSignature; DWORD dwFtType; } DUMMYSTRUCTNAME;
} CLUSPROP_FTSET_INFO, *PCLUSPROP_FTSET_INFO;
typedef struct CLUSPROP_PARTITION_INFO {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; struct { DWORD dwFlags; WCHAR szDeviceName[260]; WCHAR
    szVolumeLabel[260]; DWORD dwSerialNumber; DWORD rgdwMaximumComponentLength; DWORD dwFileSystemFlags; WCHAR
    szFileSystem[32]; } DUMMYSTRUCTNAME;
} CLUSPROP_PARTITION_INFO, *PCLUSPROP_PARTITION_INFO;
typedef struct CLUSPROP_PARTITION_INFO_EX {
    CLUSPROP_SYNTAX Syntax; DWORD cbLength; struct { DWORD dwFlags; WCHAR szDeviceName[260]; WCHAR
    szVolumeLabel[260]; DWORD dwSerialNumber; DWORD rgdwMaximumComponentLength; DWORD dwFileSystemFlags; WCHAR
    szFileSystem[32]; ULONGLONG TotalSizeInBytes; ULONGLONG FreeSizeInBytes; DWORD DeviceNumber; DWORD
    PartitionNumber; GUID VolumeGuid; } DUMMYSTRUCTNAME;
} CLUSPROP_PARTITION_INFO_EX, *PCLUSPROP_PARTITION_INFO_EX;
typedef struct CLUSPROP_PARTITION_INFO_EX2 {
    struct { CLUSPROP_SYNTAX Syntax; DWORD cbLength; struct { DWORD dwFlags; WCHAR szDeviceName[260]; WCHAR
    szVolumeLabel[260]; DWORD dwSerialNumber; DWORD rgdwMaximumComponentLength; DWORD dwFileSystemFlags; WCHAR
    szFileSystem[32]; ULONGLONG TotalSizeInBytes; ULONGLONG FreeSizeInBytes; DWORD DeviceNumber; DWORD
    PartitionNumber; GUID VolumeGuid; } DUMMYSTRUCTNAME; } DUMMYSTRUCTNAME; struct { GUID GptPartitionId; WCHAR
    szPartitionName[260]; DWORD EncryptionFlags; } DUMMYSTRUCTNAME;
} CLUSPROP_PARTITION_INFO_EX2, *PCLUSPROP_PARTITION_INFO_EX2;
typedef struct CLUSPROP_LIST { DWORD nPropertyCount; CLUSPROP_SZ PropertyName; } CLUSPROP_LIST, *PCLUSPROP_LIST;
typedef union CLUSPROP_REQUIRED_DEPENDENCY {
    CLUSPROP_VALUE Value;
    CLUSPROP_RESOURCE_CLASS ResClass;
    CLUSPROP_SZ ResTypeName;
} CLUSPROP_REQUIRED_DEPENDENCY, *PCLUSPROP_REQUIRED_DEPENDENCY;
/* A cursor in a property list. */
typedef union CLUSPROP_BUFFER_HELPER {
    BYTE *pb; WORD *pw; DWORD *pdw; LONG *pl; LPWSTR psz; CLUSPROP_LIST *pList; CLUSPROP_SYNTAX *pSyntax;
    CLUSPROP_SZ *pName; CLUSPROP_VALUE *pValue; CLUSPROP_BINARY *pBinaryValue; CLUSPROP_WORD *pWordValue;
    CLUSPROP_DWORD *pDwordValue; CLUSPROP_LONG *pLongValue; CLUSPROP_ULARGE_INTEGER *pULargeIntegerValue;
    CLUSPROP_LARGE_INTEGER *pLargeIntegerValue; CLUSPROP_SZ *pStringValue; CLUSPROP_SZ *pMultiSzValue;
    CLUSPROP_SECURITY_DESCRIPTOR *pSecurityDescriptor; CLUSPROP_RESOURCE_CLASS *pResourceClassValue;
    CLUSPROP_RESOURCE_CLASS_INFO *pResourceClassInfoValue; CLUSPROP_DWORD *pDiskSignatureValue;
    CLUSPROP_SCSI_ADDRESS *pScsiAddressValue; CLUSPROP_DWORD *pDiskNumberValue;
    CLUSPROP_PARTITION_INFO *pPartitionInfoValue; CLUSPROP_REQUIRED_DEPENDENCY *pRequiredDependencyValue;
    CLUSPROP_PARTITION_INFO_EX *pPartitionInfoValueEx; CLUSPROP_PARTITION_INFO_EX2 *pPartitionInfoValueEx2;
    CLUSPROP_FILETIME *pFileTimeValue;
} CLUSPROP_BUFFER_HELPER, *PCLUSPROP_BUFFER_HELPER;
typedef CLUSPROP_SZ CLUSPROP_PROPERTY_NAME, *PCLUSPROP_PROPERTY_NAME;
typedef CLUSPROP_SZ CLUSPROP_MULTI_SZ, *PCLUSPROP_MULTI_SZ;
typedef CLUSPROP_DWORD CLUSPROP_DISK_NUMBER, *PCLUSPROP_DISK_NUMBER;
typedef CLUSPROP_DWORD CLUSPROP_DISK_SIGNATURE, *PCLUSPROP_DISK_SIGNATURE;

#include "clusctl.h"
#include "clusreg.h"

/*
 * Functions of libclusapi.so. A resource DLL may call them from any thread; inside a Resource Monitor they are found in
 * the monitor itself. Outside one the cluster cannot be opened: RPC_S_SERVER_UNAVAILABLE.
 *
 * Keys of the cluster database: a resource's private properties are values of the key "Parameters" below the
 * ResourceKey given to Open. What is written has been stored by the node when the function returns ERROR_SUCCESS.
 */
LONG WINAPI ClusterRegOpenKey(HKEY hKey, LPCWSTR lpszSubKey, REGSAM samDesired, PHKEY phkResult);
LONG WINAPI ClusterRegCreateKey(HKEY hKey, LPCWSTR lpszSubKey, DWORD dwOptions, REGSAM samDesired,
                                LPSECURITY_ATTRIBUTES lpSecurityAttributes, PHKEY phkResult, LPDWORD lpdwDisposition);
LONG WINAPI ClusterRegCloseKey(HKEY hKey);
LONG WINAPI ClusterRegDeleteKey(HKEY hKey, LPCWSTR lpszSubKey);
LONG WINAPI ClusterRegEnumKey(HKEY hKey, DWORD dwIndex, LPWSTR lpszName, LPDWORD lpcchName,
                              PFILETIME lpftLastWriteTime);
DWORD WINAPI ClusterRegEnumValue(HKEY hKey, DWORD dwIndex, LPWSTR lpszValueName, LPDWORD lpcchValueName,
                                 LPDWORD lpdwType, LPBYTE lpData, LPDWORD lpcbData);
LONG WINAPI ClusterRegQueryValue(HKEY hKey, LPCWSTR lpszValueName, LPDWORD lpdwValueType, LPBYTE lpData,
                                 LPDWORD lpcbData);
LONG WINAPI ClusterRegQueryInfoKey(HKEY hKey, LPDWORD lpcSubKeys, LPDWORD lpcchMaxSubKeyLen, LPDWORD lpcValues,
                                   LPDWORD lpcchMaxValueNameLen, LPDWORD lpcbMaxValueLen,
                                   LPDWORD lpcbSecurityDescriptor, PFILETIME lpftLastWriteTime);
DWORD WINAPI ClusterRegSetValue(HKEY hKey, LPCWSTR lpszValueName, DWORD dwType, const BYTE *lpData, DWORD cbData);
DWORD WINAPI ClusterRegDeleteValue(HKEY hKey, LPCWSTR lpszValueName);
LONG WINAPI ClusterRegGetKeySecurity(HKEY hKey, DWORD RequestedInformation, PSECURITY_DESCRIPTOR pSecurityDescriptor,
                                     LPDWORD lpcbSecurityDescriptor);
LONG WINAPI ClusterRegSetKeySecurity(HKEY hKey, DWORD SecurityInformation, PSECURITY_DESCRIPTOR pSecurityDescriptor);

/* Several changes of keys, all or none. */
typedef struct _HREGBATCH *HREGBATCH;

typedef enum CLUSTER_REG_COMMAND {
    CLUSREG_COMMAND_NONE = 0,
    CLUSREG_SET_VALUE = 1,
    CLUSREG_CREATE_KEY = 2,
    CLUSREG_DELETE_KEY = 3,
    CLUSREG_DELETE_VALUE = 4,
} CLUSTER_REG_COMMAND;

LONG WINAPI ClusterRegCreateBatch(HKEY hKey, HREGBATCH *pHREGBATCH);
LONG WINAPI ClusterRegBatchAddCommand(HREGBATCH hRegBatch, CLUSTER_REG_COMMAND dwCommand, LPCWSTR wzName,
                                      DWORD dwOptions, const VOID *lpData, DWORD cbData);
LONG WINAPI ClusterRegCloseBatch(HREGBATCH hRegBatch, BOOL bCommit, INT *failedCommandNumber);

/* The cluster, its resources, groups and nodes. */
typedef struct _HCLUSENUM *HCLUSENUM;
typedef struct _HRESENUM *HRESENUM;
typedef struct _HGROUPENUM *HGROUPENUM;

typedef enum CLUSTER_NODE_STATE {
    ClusterNodeStateUnknown = -1,
    ClusterNodeUp = 0,
    ClusterNodeDown = 1,
    ClusterNodePaused = 2,
    ClusterNodeJoining = 3,
} CLUSTER_NODE_STATE, *PCLUSTER_NODE_STATE;

typedef enum NODE_CLUSTER_STATE {
    ClusterStateNotInstalled = 0,
    ClusterStateNotConfigured = 1,
    ClusterStateNotRunning = 3,
    ClusterStateRunning = 19,
} NODE_CLUSTER_STATE;

typedef enum CLUSTER_ENUM {
    CLUSTER_ENUM_NODE = 1,
    CLUSTER_ENUM_RESTYPE = 2,
    CLUSTER_ENUM_RESOURCE = 4,
    CLUSTER_ENUM_GROUP = 8,
    CLUSTER_ENUM_NETWORK = 16,
    CLUSTER_ENUM_NETINTERFACE = 32,
    CLUSTER_ENUM_ALL = 63,
} CLUSTER_ENUM;

typedef enum CLUSTER_RESOURCE_ENUM {
    CLUSTER_RESOURCE_ENUM_DEPENDS = 1,
    CLUSTER_RESOURCE_ENUM_PROVIDES = 2,
    CLUSTER_RESOURCE_ENUM_NODES = 4,
    CLUSTER_RESOURCE_ENUM_ALL = 7,
} CLUSTER_RESOURCE_ENUM;

typedef enum CLUSTER_GROUP_ENUM {
    CLUSTER_GROUP_ENUM_CONTAINS = 1,
    CLUSTER_GROUP_ENUM_NODES = 2,
    CLUSTER_GROUP_ENUM_ALL = 3,
} CLUSTER_GROUP_ENUM;

typedef struct CLUSTERVERSIONINFO {
    DWORD dwVersionInfoSize;
    WORD MajorVersion;
    WORD MinorVersion;
    WORD BuildNumber;
    WCHAR szVendorId[64];
    WCHAR szCSDVersion[64];
    DWORD dwClusterHighestVersion;
    DWORD dwClusterLowestVersion;
    DWORD dwFlags;
    DWORD dwReserved;
} CLUSTERVERSIONINFO, *LPCLUSTERVERSIONINFO, *PCLUSTERVERSIONINFO;

HCLUSTER WINAPI OpenCluster(LPCWSTR lpszClusterName);
HCLUSTER WINAPI OpenClusterEx(LPCWSTR lpszClusterName, DWORD DesiredAccess, DWORD *GrantedAccess);
BOOL WINAPI CloseCluster(HCLUSTER hCluster);
DWORD WINAPI GetClusterInformation(HCLUSTER hCluster, LPWSTR lpszClusterName, LPDWORD lpcchClusterName,
                                   LPCLUSTERVERSIONINFO lpClusterInfo);
DWORD WINAPI GetClusterQuorumResource(HCLUSTER hCluster, LPWSTR lpszResourceName, LPDWORD lpcchResourceName,
                                      LPWSTR lpszDeviceName, LPDWORD lpcchDeviceName, LPDWORD lpdwMaxQuorumLogSize);
HKEY WINAPI GetClusterKey(HCLUSTER hCluster, REGSAM samDesired);
HKEY WINAPI GetClusterResourceTypeKey(HCLUSTER hCluster, LPCWSTR lpszTypeName, REGSAM samDesired);
DWORD WINAPI GetNodeClusterState(LPCWSTR lpszNodeName, DWORD *pdwClusterState);
HCLUSENUM WINAPI ClusterOpenEnum(HCLUSTER hCluster, DWORD dwType);
DWORD WINAPI ClusterGetEnumCount(HCLUSENUM hEnum);
DWORD WINAPI ClusterEnum(HCLUSENUM hEnum, DWORD dwIndex, LPDWORD lpdwType, LPWSTR lpszName, LPDWORD lpcchName);
DWORD WINAPI ClusterCloseEnum(HCLUSENUM hEnum);

HRESOURCE WINAPI OpenClusterResource(HCLUSTER hCluster, LPCWSTR lpszResourceName);
HRESOURCE WINAPI OpenClusterResourceEx(HCLUSTER hCluster, LPCWSTR lpszResourceName, DWORD dwDesiredAccess,
                                       DWORD *lpdwGrantedAccess);
BOOL WINAPI CloseClusterResource(HRESOURCE hResource);
HCLUSTER WINAPI GetClusterFromResource(HRESOURCE hResource);
CLUSTER_RESOURCE_STATE WINAPI GetClusterResourceState(HRESOURCE hResource, LPWSTR lpszNodeName, LPDWORD lpcchNodeName,
                                                      LPWSTR lpszGroupName, LPDWORD lpcchGroupName);
DWORD WINAPI ClusterResourceControl(HRESOURCE hResource, HNODE hHostNode, DWORD dwControlCode, LPVOID lpInBuffer,
                                    DWORD cbInBufferSize, LPVOID lpOutBuffer, DWORD cbOutBufferSize,
                                    LPDWORD lpBytesReturned);
HKEY WINAPI GetClusterResourceKey(HRESOURCE hResource, REGSAM samDesired);
BOOL WINAPI GetClusterResourceNetworkName(HRESOURCE hResource, LPWSTR lpBuffer, LPDWORD nSize);
DWORD WINAPI GetClusterResourceDependencyExpression(HRESOURCE hResource, LPWSTR lpszDependencyExpression,
                                                    LPDWORD lpcchDependencyExpression);
HRESENUM WINAPI ClusterResourceOpenEnum(HRESOURCE hResource, DWORD dwType);
DWORD WINAPI ClusterResourceGetEnumCount(HRESENUM hResEnum);
DWORD WINAPI ClusterResourceEnum(HRESENUM hResEnum, DWORD dwIndex, LPDWORD lpdwType, LPWSTR lpszName,
                                 LPDWORD lpcchName);
DWORD WINAPI ClusterResourceCloseEnum(HRESENUM hResEnum);

HGROUP WINAPI OpenClusterGroup(HCLUSTER hCluster, LPCWSTR lpszGroupName);
HGROUP WINAPI OpenClusterGroupEx(HCLUSTER hCluster, LPCWSTR lpszGroupName, DWORD dwDesiredAccess,
                                 DWORD *lpdwGrantedAccess);
BOOL WINAPI CloseClusterGroup(HGROUP hGroup);
HCLUSTER WINAPI GetClusterFromGroup(HGROUP hGroup);
CLUSTER_GROUP_STATE WINAPI GetClusterGroupState(HGROUP hGroup, LPWSTR lpszNodeName, LPDWORD lpcchNodeName);
DWORD WINAPI ClusterGroupControl(HGROUP hGroup, HNODE hHostNode, DWORD dwControlCode, LPVOID lpInBuffer,
                                 DWORD nInBufferSize, LPVOID lpOutBuffer, DWORD nOutBufferSize,
                                 LPDWORD lpBytesReturned);
HKEY WINAPI GetClusterGroupKey(HGROUP hGroup, REGSAM samDesired);
HGROUPENUM WINAPI ClusterGroupOpenEnum(HGROUP hGroup, DWORD dwType);
DWORD WINAPI ClusterGroupGetEnumCount(HGROUPENUM hGroupEnum);
DWORD WINAPI ClusterGroupEnum(HGROUPENUM hGroupEnum, DWORD dwIndex, LPDWORD lpdwType, LPWSTR lpszResourceName,
                              LPDWORD lpcchName);
DWORD WINAPI ClusterGroupCloseEnum(HGROUPENUM hGroupEnum);

HNODE WINAPI OpenClusterNode(HCLUSTER hCluster, LPCWSTR lpszNodeName);
HNODE WINAPI OpenClusterNodeEx(HCLUSTER hCluster, LPCWSTR lpszNodeName, DWORD dwDesiredAccess,
                               DWORD *lpdwGrantedAccess);
BOOL WINAPI CloseClusterNode(HNODE hNode);
CLUSTER_NODE_STATE WINAPI GetClusterNodeState(HNODE hNode);

/* What the resource utility functions tell of groups. */
typedef enum CLUSGROUP_TYPE {
    ClusGroupTypeCoreCluster = 1,
    ClusGroupTypeAvailableStorage = 2,
    ClusGroupTypeTemporary = 3,
    ClusGroupTypeSharedVolume = 4,
    ClusGroupTypeStoragePool = 5,
    ClusGroupTypeFileServer = 100,
    ClusGroupTypePrintServer = 101,
    ClusGroupTypeDhcpServer = 102,
    ClusGroupTypeDtc = 103,
    ClusGroupTypeMsmq = 104,
    ClusGroupTypeWins = 105,
    ClusGroupTypeStandAloneDfs = 106,
    ClusGroupTypeGenericApplication = 107,
    ClusGroupTypeGenericService = 108,
    ClusGroupTypeGenericScript = 109,
    ClusGroupTypeIScsiNameService = 110,
    ClusGroupTypeVirtualMachine = 111,
    ClusGroupTypeTsSessionBroker = 112,
    ClusGroupTypeIScsiTarget = 113,
    ClusGroupTypeScaleoutFileServer = 114,
    ClusGroupTypeVMReplicaBroker = 115,
    ClusGroupTypeTaskScheduler = 116,
    ClusGroupTypeClusterUpdateAgent = 117,
    ClusGroupTypeScaleoutCluster = 118,
    ClusGroupTypeStorageReplica = 119,
    ClusGroupTypeVMReplicaCoordinator = 120,
    ClusGroupTypeCrossClusterOrchestrator = 121,
    ClusGroupTypeInfrastructureFileServer = 122,
    ClusGroupTypeCoreSddc = 123,
    ClusGroupTypeUnknown = 9999,
} CLUSGROUP_TYPE, *PCLUSGROUP_TYPE;

#ifdef __cplusplus
}
#endif

#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

#endif
