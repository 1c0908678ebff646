/*
 * The interface between a resource DLL and the Resource Monitor, under Windows' names.
 *
 * A resource DLL exports Startup, StartupEx or both, and hands out a CLRES_FUNCTION_TABLE.
 */
#ifndef STEAD_RESAPI_H
#define STEAD_RESAPI_H

#include "clusapi.h"

#ifdef __GNUC__
/* Nameless structures and arrays without a length are as documented; no standard of C or C++ has all of them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define STARTUP_ROUTINE "Startup"
#define STARTUP_EX_ROUTINE "StartupEx"

#define CLRES_VERSION_V1_00 0x100
#define CLRES_VERSION_V2_00 0x200
#define CLRES_VERSION_V3_00 0x300
#define CLRES_VERSION_V4_00 0x400
#define CLUSRESDLL_STATUS_OFFLINE_BUSY 1
#define CLUSRESDLL_STATUS_OFFLINE_SOURCE_THROTTLED 2
#define CLUSRESDLL_STATUS_OFFLINE_DESTINATION_THROTTLED 4
#define CLUSRESDLL_STATUS_OFFLINE_DESTINATION_REJECTED 8
#define CLUSRESDLL_STATUS_INSUFFICIENT_MEMORY 0x10
#define CLUSRESDLL_STATUS_INSUFFICIENT_PROCESSOR 0x20
#define CLUSRESDLL_STATUS_INSUFFICIENT_OTHER_RESOURCES 0x40
#define CLUSRESDLL_STATUS_INVALID_PARAMETERS 0x80
#define CLUSRESDLL_STATUS_NETWORK_NOT_AVAILABLE 0x100
#define CLUSRESDLL_STATUS_DO_NOT_COLLECT_WER_REPORT 0x40000000
#define CLUSRESDLL_STATUS_DUMP_NOW 0x80000000
#define CLUS_RESDLL_OPEN_RECOVER_MONITOR_STATE 1
#define CLUS_RESDLL_OPEN_DONT_DELETE_TEMP_DISK 2
#define CLUS_RESDLL_ONLINE_RECOVER_MONITOR_STATE 1
#define CLUS_RESDLL_ONLINE_IGNORE_RESOURCE_STATUS 2
#define CLUS_RESDLL_ONLINE_RETURN_TO_SOURCE_NODE_ON_ERROR 4
#define CLUS_RESDLL_ONLINE_RESTORE_ONLINE_STATE 8
#define CLUS_RESDLL_ONLINE_IGNORE_NETWORK_CONNECTIVITY 0x10
#define CLUS_RESDLL_OFFLINE_IGNORE_RESOURCE_STATUS 1
#define CLUS_RESDLL_OFFLINE_RETURN_TO_SOURCE_NODE_ON_ERROR 2
#define CLUS_RESDLL_OFFLINE_QUEUE_ENABLED 4
#define CLUS_RESDLL_OFFLINE_RETURNING_TO_SOURCE_NODE_BECAUSE_OF_ERROR 8
#define CLUS_RESDLL_OFFLINE_DUE_TO_EMBEDDED_FAILURE 0x10
#define CLUS_RESDLL_OFFLINE_IGNORE_NETWORK_CONNECTIVITY 0x20
#define CLUS_RESDLL_OFFLINE_DO_NOT_UPDATE_PERSISTENT_STATE 0x40
#define RESTYPE_MONITOR_SHUTTING_DOWN_NODE_STOP 1
#define RESTYPE_MONITOR_SHUTTING_DOWN_CLUSSVC_CRASH 2
#define LOCKED_MODE_FLAGS_DONT_REMOVE_FROM_MOVE_QUEUE 1
#define CLUSRES_DISABLE_WPR_WATCHDOG_FOR_ONLINE_CALLS 1
#define CLUSRES_DISABLE_WPR_WATCHDOG_FOR_OFFLINE_CALLS 2
#define ARM_WPR_WATCHDOG_USING_CURRENT_START_AFTER 0xFFFFFFFFFFFFFFFFull

typedef PVOID RESID;
typedef PVOID RESOURCE_HANDLE;
typedef INT64 PRES_CTL_CTX;
typedef INT64 PRESTYPE_CTL_CTX;

typedef enum LOG_LEVEL {
    LOG_INFORMATION = 0,
    LOG_WARNING = 1,
    LOG_ERROR = 2,
    LOG_SEVERE = 3,
} LOG_LEVEL, *PLOG_LEVEL;

typedef enum RESOURCE_EXIT_STATE {
    ResourceExitStateContinue = 0,
    ResourceExitStateTerminate = 1,
    ResourceExitStateMax = 2,
} RESOURCE_EXIT_STATE, *PRESOURCE_EXIT_STATE;

typedef enum FAILURE_TYPE {
    FAILURE_TYPE_GENERAL = 0,
    FAILURE_TYPE_EMBEDDED = 1,
    FAILURE_TYPE_NETWORK_LOSS = 2,
} FAILURE_TYPE, *PFAILURE_TYPE;

typedef enum CLUSTER_RESOURCE_APPLICATION_STATE {
    ClusterResourceApplicationStateUnknown = 1,
    ClusterResourceApplicationOSHeartBeat = 2,
    ClusterResourceApplicationReady = 3,
} CLUSTER_RESOURCE_APPLICATION_STATE, *PCLUSTER_RESOURCE_APPLICATION_STATE;

typedef enum RESOURCE_MONITOR_STATE {
    RmonInitializing = 0,
    RmonIdle = 1,
    RmonStartingResource = 2,
    RmonInitializingResource = 3,
    RmonOnlineResource = 4,
    RmonOfflineResource = 5,
    RmonShutdownResource = 6,
    RmonDeletingResource = 7,
    RmonIsAlivePoll = 8,
    RmonLooksAlivePoll = 9,
    RmonArbitrateResource = 10,
    RmonReleaseResource = 11,
    RmonResourceControl = 12,
    RmonResourceTypeControl = 13,
    RmonTerminateResource = 14,
    RmonDeadlocked = 15,
} RESOURCE_MONITOR_STATE, *PRESOURCE_MONITOR_STATE;

/* The monitor's own record, and what property tables are made of. */
typedef struct MONITOR_STATE {
    LONGLONG LastUpdate; RESOURCE_MONITOR_STATE State; HANDLE ActiveResource; BOOL ResmonStop;
} MONITOR_STATE, *PMONITOR_STATE;
typedef struct POST_UPGRADE_VERSION_INFO {
    DWORD newMajorVersion; DWORD newUpgradeVersion; DWORD oldMajorVersion; DWORD oldUpgradeVersion; DWORD reserved;
} POST_UPGRADE_VERSION_INFO, *PPOST_UPGRADE_VERSION_INFO;
typedef struct RESUTIL_LARGEINT_DATA {
    LARGE_INTEGER Default; LARGE_INTEGER Minimum; LARGE_INTEGER Maximum;
} RESUTIL_LARGEINT_DATA, *PRESUTIL_LARGEINT_DATA;
typedef struct RESUTIL_ULARGEINT_DATA {
    ULARGE_INTEGER Default; ULARGE_INTEGER Minimum; ULARGE_INTEGER Maximum;
} RESUTIL_ULARGEINT_DATA, *PRESUTIL_ULARGEINT_DATA;
typedef struct RESUTIL_FILETIME_DATA {
    FILETIME Default; FILETIME Minimum; FILETIME Maximum;
} RESUTIL_FILETIME_DATA, *PRESUTIL_FILETIME_DATA;
typedef struct RESUTIL_PROPERTY_ITEM {
    LPWSTR Name; LPWSTR KeyName; DWORD Format;
    union {
        DWORD_PTR DefaultPtr; DWORD Default; LPVOID lpDefault; PRESUTIL_LARGEINT_DATA LargeIntData;
        PRESUTIL_ULARGEINT_DATA ULargeIntData; PRESUTIL_FILETIME_DATA FileTimeData;
    } DUMMYUNIONNAME;
    DWORD Minimum; DWORD Maximum; DWORD Flags; DWORD Offset;
} RESUTIL_PROPERTY_ITEM, *PRESUTIL_PROPERTY_ITEM;

typedef struct RESOURCE_STATUS {
    CLUSTER_RESOURCE_STATE ResourceState;
    DWORD CheckPoint;
    DWORD WaitHint;
    HANDLE EventHandle;
} RESOURCE_STATUS, *PRESOURCE_STATUS;

typedef struct RESOURCE_STATUS_EX {
    CLUSTER_RESOURCE_STATE ResourceState;
    DWORD CheckPoint;
    HANDLE EventHandle;
    DWORD ApplicationSpecificErrorCode;
    DWORD Flags;
    DWORD WaitHint;
} RESOURCE_STATUS_EX, *PRESOURCE_STATUS_EX;

#define ResUtilInitializeResourceStatus(status) ZeroMemory((status), sizeof(RESOURCE_STATUS))
#define ResUtilInitializeResourceStatusEx(status) ZeroMemory((status), sizeof(RESOURCE_STATUS_EX))

/* Callbacks. */
typedef DWORD (*PSET_RESOURCE_STATUS_ROUTINE)(RESOURCE_HANDLE ResourceHandle, PRESOURCE_STATUS ResourceStatus);
typedef DWORD (*PSET_RESOURCE_STATUS_ROUTINE_EX)(RESOURCE_HANDLE ResourceHandle, PRESOURCE_STATUS_EX ResourceStatus);
typedef void (*PQUORUM_RESOURCE_LOST)(RESOURCE_HANDLE Resource);
typedef void (*PLOG_EVENT_ROUTINE)(RESOURCE_HANDLE ResourceHandle, LOG_LEVEL LogLevel, LPCWSTR FormatString, ...);
typedef DWORD (*PSET_RESOURCE_LOCKED_MODE_ROUTINE)(RESOURCE_HANDLE ResourceHandle, BOOL LockedModeEnabled,
                                                   DWORD LockedModeReason);
typedef DWORD (*PSET_RESOURCE_LOCKED_MODE_EX_ROUTINE)(RESOURCE_HANDLE ResourceHandle, BOOL LockedModeEnabled,
                                                      DWORD LockedModeReason, DWORD LockedModeFlags);
typedef DWORD (*PSIGNAL_FAILURE_ROUTINE)(RESOURCE_HANDLE ResourceHandle, FAILURE_TYPE FailureType,
                                         DWORD ApplicationSpecificErrorCode);
typedef DWORD (*PSET_RESOURCE_INMEMORY_NODELOCAL_PROPERTIES_ROUTINE)(RESOURCE_HANDLE ResourceHandle,
                                                                     PBYTE propertyListBuffer,
                                                                     DWORD propertyListBufferSize);
typedef DWORD (*PEND_CONTROL_CALL)(INT64 context, DWORD status);
typedef DWORD (*PEND_TYPE_CONTROL_CALL)(INT64 context, DWORD status);
typedef DWORD (*PEXTEND_RES_CONTROL_CALL)(INT64 context, DWORD newTimeoutInMs);
typedef DWORD (*PEXTEND_RES_TYPE_CONTROL_CALL)(INT64 context, DWORD newTimeoutInMs);
typedef DWORD (*PRAISE_RES_TYPE_NOTIFICATION)(LPCWSTR ResourceType, const BYTE *pPayload, DWORD payloadSize);
typedef DWORD (*PCHANGE_RESOURCE_PROCESS_FOR_DUMPS)(RESOURCE_HANDLE resource, LPCWSTR processName, DWORD processId,
                                                    BOOL isAdd);
typedef DWORD (*PCHANGE_RES_TYPE_PROCESS_FOR_DUMPS)(LPCWSTR resourceTypeName, LPCWSTR processName, DWORD processId,
                                                    BOOL isAdd);
typedef DWORD (*PSET_INTERNAL_STATE)(RESOURCE_HANDLE ResourceHandle, CLUSTER_RESOURCE_APPLICATION_STATE stateType,
                                     BOOL active);
typedef DWORD (*PREQUEST_DUMP_ROUTINE)(RESOURCE_HANDLE ResourceHandle, BOOL DumpDueToCallInProgress,
                                       DWORD DumpDelayInMs);
typedef DWORD (*PSET_RESOURCE_WPR_POLICY_ROUTINE)(RESOURCE_HANDLE ResourceHandle, DWORD WprPolicyFlags);
typedef DWORD (*PARM_WPR_WATCHDOG_FOR_CURRENT_RESOURCE_CALL_ROUTINE)(RESOURCE_HANDLE ResourceHandle,
                                                                     ULONGLONG TimeoutInMs);

typedef struct CLRES_CALLBACK_FUNCTION_TABLE {
    PLOG_EVENT_ROUTINE LogEvent;
    PSET_RESOURCE_STATUS_ROUTINE_EX SetResourceStatusEx;
    PSET_RESOURCE_LOCKED_MODE_ROUTINE SetResourceLockedMode;
    PSIGNAL_FAILURE_ROUTINE SignalFailure;
    PSET_RESOURCE_INMEMORY_NODELOCAL_PROPERTIES_ROUTINE SetResourceInMemoryNodeLocalProperties;
    PEND_CONTROL_CALL EndControlCall;
    PEND_TYPE_CONTROL_CALL EndTypeControlCall;
    PEXTEND_RES_CONTROL_CALL ExtendControlCall;
    PEXTEND_RES_TYPE_CONTROL_CALL ExtendTypeControlCall;
    PRAISE_RES_TYPE_NOTIFICATION RaiseResTypeNotification;
    PCHANGE_RESOURCE_PROCESS_FOR_DUMPS ChangeResourceProcessForDumps;
    PCHANGE_RES_TYPE_PROCESS_FOR_DUMPS ChangeResTypeProcessForDumps;
    PSET_INTERNAL_STATE SetInternalState;
    PSET_RESOURCE_LOCKED_MODE_EX_ROUTINE SetResourceLockedModeEx;
    PREQUEST_DUMP_ROUTINE RequestDump;
    PSET_RESOURCE_WPR_POLICY_ROUTINE SetResourceWprPolicy;
    PARM_WPR_WATCHDOG_FOR_CURRENT_RESOURCE_CALL_ROUTINE ArmWprWatchdogForCurrentResourceCall;
} CLRES_CALLBACK_FUNCTION_TABLE, *PCLRES_CALLBACK_FUNCTION_TABLE;

/* Entry points. */
typedef RESID (*POPEN_ROUTINE)(LPCWSTR ResourceName, HKEY ResourceKey, RESOURCE_HANDLE ResourceHandle);
typedef RESID (*POPEN_V2_ROUTINE)(LPCWSTR ResourceName, HKEY ResourceKey, RESOURCE_HANDLE ResourceHandle,
                                  DWORD OpenFlags);
typedef void (*PCLOSE_ROUTINE)(RESID Resource);
typedef DWORD (*PONLINE_ROUTINE)(RESID Resource, LPHANDLE EventHandle);
typedef DWORD (*PONLINE_V2_ROUTINE)(RESID Resource, LPHANDLE EventHandle, DWORD OnlineFlags, PBYTE InBuffer,
                                    DWORD InBufferSize, DWORD Reserved);
typedef DWORD (*POFFLINE_ROUTINE)(RESID Resource);
typedef DWORD (*POFFLINE_V2_ROUTINE)(RESID Resource, LPCWSTR DestinationNodeName, DWORD OfflineFlags,
                                     PBYTE InBuffer, DWORD InBufferSize, DWORD Reserved);
typedef void (*PTERMINATE_ROUTINE)(RESID Resource);
typedef BOOL (*PLOOKS_ALIVE_ROUTINE)(RESID Resource);
typedef BOOL (*PIS_ALIVE_ROUTINE)(RESID Resource);
typedef DWORD (*PARBITRATE_ROUTINE)(RESID Resource, PQUORUM_RESOURCE_LOST LostQuorumResource);
typedef DWORD (*PRELEASE_ROUTINE)(RESID Resource);
typedef DWORD (*PRESOURCE_CONTROL_ROUTINE)(RESID Resource, DWORD ControlCode, PVOID InBuffer, DWORD InBufferSize,
                                           PVOID OutBuffer, DWORD OutBufferSize, LPDWORD BytesReturned);
typedef DWORD (*PRESOURCE_TYPE_CONTROL_ROUTINE)(LPCWSTR ResourceTypeName, DWORD ControlCode, PVOID InBuffer,
                                                DWORD InBufferSize, PVOID OutBuffer, DWORD OutBufferSize,
                                                LPDWORD BytesReturned);
typedef DWORD (*PCANCEL_ROUTINE)(RESID Resource, DWORD CancelFlags_RESERVED);
typedef DWORD (*PBEGIN_RESCALL_ROUTINE)(RESID Resource, DWORD ControlCode, PVOID InBuffer, DWORD InBufferSize,
                                        PVOID OutBuffer, DWORD OutBufferSize, LPDWORD BytesReturned, INT64 context,
                                        BOOL *ReturnedAsynchronously);
typedef DWORD (*PBEGIN_RESTYPECALL_ROUTINE)(LPCWSTR ResourceTypeName, DWORD ControlCode, PVOID InBuffer,
                                            DWORD InBufferSize, PVOID OutBuffer, DWORD OutBufferSize,
                                            LPDWORD BytesReturned, INT64 context, BOOL *ReturnedAsynchronously);
typedef DWORD (*PBEGIN_RESCALL_AS_USER_ROUTINE)(RESID Resource, HANDLE TokenHandle, DWORD ControlCode, PVOID InBuffer,
                                                DWORD InBufferSize, PVOID OutBuffer, DWORD OutBufferSize,
                                                LPDWORD BytesReturned, INT64 context, BOOL *ReturnedAsynchronously);
typedef DWORD (*PBEGIN_RESTYPECALL_AS_USER_ROUTINE)(LPCWSTR ResourceTypeName, HANDLE TokenHandle, DWORD ControlCode,
                                                    PVOID InBuffer, DWORD InBufferSize, PVOID OutBuffer,
                                                    DWORD OutBufferSize, LPDWORD BytesReturned, INT64 context,
                                                    BOOL *ReturnedAsynchronously);

typedef struct CLRES_V1_FUNCTIONS {
    POPEN_ROUTINE Open;
    PCLOSE_ROUTINE Close;
    PONLINE_ROUTINE Online;
    POFFLINE_ROUTINE Offline;
    PTERMINATE_ROUTINE Terminate;
    PLOOKS_ALIVE_ROUTINE LooksAlive;
    PIS_ALIVE_ROUTINE IsAlive;
    PARBITRATE_ROUTINE Arbitrate;
    PRELEASE_ROUTINE Release;
    PRESOURCE_CONTROL_ROUTINE ResourceControl;
    PRESOURCE_TYPE_CONTROL_ROUTINE ResourceTypeControl;
} CLRES_V1_FUNCTIONS, *PCLRES_V1_FUNCTIONS;

typedef struct CLRES_V2_FUNCTIONS {
    POPEN_V2_ROUTINE Open;
    PCLOSE_ROUTINE Close;
    PONLINE_V2_ROUTINE Online;
    POFFLINE_V2_ROUTINE Offline;
    PTERMINATE_ROUTINE Terminate;
    PLOOKS_ALIVE_ROUTINE LooksAlive;
    PIS_ALIVE_ROUTINE IsAlive;
    PARBITRATE_ROUTINE Arbitrate;
    PRELEASE_ROUTINE Release;
    PRESOURCE_CONTROL_ROUTINE ResourceControl;
    PRESOURCE_TYPE_CONTROL_ROUTINE ResourceTypeControl;
    PCANCEL_ROUTINE Cancel;
} CLRES_V2_FUNCTIONS, *PCLRES_V2_FUNCTIONS;

typedef struct CLRES_V3_FUNCTIONS {
    POPEN_V2_ROUTINE Open;
    PCLOSE_ROUTINE Close;
    PONLINE_V2_ROUTINE Online;
    POFFLINE_V2_ROUTINE Offline;
    PTERMINATE_ROUTINE Terminate;
    PLOOKS_ALIVE_ROUTINE LooksAlive;
    PIS_ALIVE_ROUTINE IsAlive;
    PARBITRATE_ROUTINE Arbitrate;
    PRELEASE_ROUTINE Release;
    PBEGIN_RESCALL_ROUTINE BeginResourceControl;
    PBEGIN_RESTYPECALL_ROUTINE BeginResourceTypeControl;
    PCANCEL_ROUTINE Cancel;
} CLRES_V3_FUNCTIONS, *PCLRES_V3_FUNCTIONS;

typedef struct CLRES_V4_FUNCTIONS {
    POPEN_V2_ROUTINE Open;
    PCLOSE_ROUTINE Close;
    PONLINE_V2_ROUTINE Online;
    POFFLINE_V2_ROUTINE Offline;
    PTERMINATE_ROUTINE Terminate;
    PLOOKS_ALIVE_ROUTINE LooksAlive;
    PIS_ALIVE_ROUTINE IsAlive;
    PARBITRATE_ROUTINE Arbitrate;
    PRELEASE_ROUTINE Release;
    PBEGIN_RESCALL_ROUTINE BeginResourceControl;
    PBEGIN_RESTYPECALL_ROUTINE BeginResourceTypeControl;
    PCANCEL_ROUTINE Cancel;
    PBEGIN_RESCALL_AS_USER_ROUTINE BeginResourceControlAsUser;
    PBEGIN_RESTYPECALL_AS_USER_ROUTINE BeginResourceTypeControlAsUser;
} CLRES_V4_FUNCTIONS, *PCLRES_V4_FUNCTIONS;

typedef struct CLRES_FUNCTION_TABLE {
    DWORD TableSize;
    DWORD Version;
    union {
        CLRES_V1_FUNCTIONS V1Functions;
        CLRES_V2_FUNCTIONS V2Functions;
        CLRES_V3_FUNCTIONS V3Functions;
        CLRES_V4_FUNCTIONS V4Functions;
    };
} CLRES_FUNCTION_TABLE, *PCLRES_FUNCTION_TABLE;

#define CLRES_V1_FUNCTION_SIZE sizeof(CLRES_V1_FUNCTIONS)
#define CLRES_V2_FUNCTION_SIZE sizeof(CLRES_V2_FUNCTIONS)
#define CLRES_V3_FUNCTION_SIZE sizeof(CLRES_V3_FUNCTIONS)
#define CLRES_V4_FUNCTION_SIZE sizeof(CLRES_V4_FUNCTIONS)

/* Defines a table whose entry points are named Prefix followed by Open, Close, Online and so on. */
#define CLRES_V1_FUNCTION_TABLE(Name, TableVersion, Prefix, ArbitrateRoutine, ReleaseRoutine, ControlRoutine, \
                                TypeControlRoutine) \
    CLRES_FUNCTION_TABLE Name = { CLRES_V1_FUNCTION_SIZE, TableVersion, { .V1Functions = { \
        Prefix##Open, Prefix##Close, Prefix##Online, Prefix##Offline, Prefix##Terminate, Prefix##LooksAlive, \
        Prefix##IsAlive, ArbitrateRoutine, ReleaseRoutine, ControlRoutine, TypeControlRoutine } } }
#define CLRES_V2_FUNCTION_TABLE(Name, TableVersion, Prefix, ArbitrateRoutine, ReleaseRoutine, ControlRoutine, \
                                TypeControlRoutine, CancelRoutine) \
    CLRES_FUNCTION_TABLE Name = { CLRES_V2_FUNCTION_SIZE, TableVersion, { .V2Functions = { \
        Prefix##Open, Prefix##Close, Prefix##Online, Prefix##Offline, Prefix##Terminate, Prefix##LooksAlive, \
        Prefix##IsAlive, ArbitrateRoutine, ReleaseRoutine, ControlRoutine, TypeControlRoutine, CancelRoutine } } }
#define CLRES_V3_FUNCTION_TABLE(Name, TableVersion, Prefix, ArbitrateRoutine, ReleaseRoutine, BeginControlRoutine, \
                                BeginTypeControlRoutine, CancelRoutine) \
    CLRES_FUNCTION_TABLE Name = { CLRES_V3_FUNCTION_SIZE, TableVersion, { .V3Functions = { \
        Prefix##Open, Prefix##Close, Prefix##Online, Prefix##Offline, Prefix##Terminate, Prefix##LooksAlive, \
        Prefix##IsAlive, ArbitrateRoutine, ReleaseRoutine, BeginControlRoutine, BeginTypeControlRoutine, \
        CancelRoutine } } }
#define CLRES_V4_FUNCTION_TABLE(Name, TableVersion, Prefix, ArbitrateRoutine, ReleaseRoutine, BeginControlRoutine, \
                                BeginTypeControlRoutine, CancelRoutine, BeginControlAsUserRoutine, \
                                BeginTypeControlAsUserRoutine) \
    CLRES_FUNCTION_TABLE Name = { CLRES_V4_FUNCTION_SIZE, TableVersion, { .V4Functions = { \
        Prefix##Open, Prefix##Close, Prefix##Online, Prefix##Offline, Prefix##Terminate, Prefix##LooksAlive, \
        Prefix##IsAlive, ArbitrateRoutine, ReleaseRoutine, BeginControlRoutine, BeginTypeControlRoutine, \
        CancelRoutine, BeginControlAsUserRoutine, BeginTypeControlAsUserRoutine } } }

typedef DWORD (*PSTARTUP_ROUTINE)(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                                  PSET_RESOURCE_STATUS_ROUTINE SetResourceStatus, PLOG_EVENT_ROUTINE LogEvent,
                                  PCLRES_FUNCTION_TABLE *FunctionTable);
typedef DWORD (*PSTARTUP_EX_ROUTINE)(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                                     PCLRES_CALLBACK_FUNCTION_TABLE MonitorCallbackFunctions,
                                     PCLRES_FUNCTION_TABLE *ResourceDllInterfaceFunctions);

/* What a resource DLL exports. */
DWORD WINAPI Startup(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                     PSET_RESOURCE_STATUS_ROUTINE SetResourceStatus, PLOG_EVENT_ROUTINE LogEvent,
                     PCLRES_FUNCTION_TABLE *FunctionTable);
DWORD WINAPI StartupEx(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                       PCLRES_CALLBACK_FUNCTION_TABLE MonitorCallbackFunctions,
                       PCLRES_FUNCTION_TABLE *ResourceDllInterfaceFunctions);

/*
 * The resource utility functions: libresutils.so. A null pointer where one is needed is ERROR_INVALID_PARAMETER, or
 * ERROR_BAD_ARGUMENTS for a key, table or block; strings and buffers handed out are freed with LocalFree.
 */
#define RESUTIL_PROPITEM_READ_ONLY 1
#define RESUTIL_PROPITEM_REQUIRED 2
#define RESUTIL_PROPITEM_SIGNED 4
#define RESUTIL_PROPITEM_IN_MEMORY 8

typedef struct _HCLUSCRYPTPROVIDER *HCLUSCRYPTPROVIDER;

/* hThread is opaque, for WaitForSingleObject and CloseHandle; both fields are to be read only. */
typedef struct CLUS_WORKER { HANDLE hThread; BOOL Terminate; } CLUS_WORKER, *PCLUS_WORKER;
typedef DWORD (*PWORKER_START_ROUTINE)(PCLUS_WORKER pWorker, LPVOID lpThreadParameter);

typedef enum CLUSTER_ROLE {
    ClusterRoleDHCP = 0,
    ClusterRoleDTC = 1,
    ClusterRoleFileServer = 2,
    ClusterRoleGenericApplication = 3,
    ClusterRoleGenericScript = 4,
    ClusterRoleGenericService = 5,
    ClusterRoleISCSINameServer = 6,
    ClusterRoleMSMQ = 7,
    ClusterRoleNFS = 8,
    ClusterRolePrintServer = 9,
    ClusterRoleStandAloneNamespaceServer = 10,
    ClusterRoleVolumeShadowCopyServiceTask = 11,
    ClusterRoleWINS = 12,
    ClusterRoleTaskScheduler = 13,
    ClusterRoleNetworkFileSystem = 14,
    ClusterRoleDFSReplicatedFolder = 15,
    ClusterRoleDistributedFileSystem = 16,
    ClusterRoleDistributedNetworkName = 17,
    ClusterRoleFileShare = 18,
    ClusterRoleFileShareWitness = 19,
    ClusterRoleHardDisk = 20,
    ClusterRoleIPAddress = 21,
    ClusterRoleIPV6Address = 22,
    ClusterRoleIPV6TunnelAddress = 23,
    ClusterRoleISCSITargetServer = 24,
    ClusterRoleNetworkName = 25,
    ClusterRolePhysicalDisk = 26,
    ClusterRoleSODAFileServer = 27,
    ClusterRoleStoragePool = 28,
    ClusterRoleVirtualMachine = 29,
    ClusterRoleVirtualMachineConfiguration = 30,
    ClusterRoleVirtualMachineReplicaBroker = 31,
} CLUSTER_ROLE;

typedef enum CLUSTER_ROLE_STATE {
    ClusterRoleUnknown = -1,
    ClusterRoleClustered = 0,
    ClusterRoleUnclustered = 1,
} CLUSTER_ROLE_STATE;

/* What an enumeration calls. Not 0 ends it and is its result; ERROR_NO_MORE_ITEMS ends it without an error. */
typedef DWORD (*LPRESOURCE_CALLBACK)(HRESOURCE hSelf, HRESOURCE hResource, PVOID pParameter);
typedef DWORD (*LPRESOURCE_CALLBACK_EX)(HCLUSTER hCluster, HRESOURCE hSelf, HRESOURCE hResource, PVOID pParameter);
typedef DWORD (*LPGROUP_CALLBACK_EX)(HCLUSTER hCluster, HGROUP hSelf, HGROUP hGroup, PVOID pParameter);
typedef DWORD (*LPNODE_CALLBACK)(HCLUSTER hCluster, HNODE hNode, CLUSTER_NODE_STATE state, PVOID pParameter);

/* Worker threads. */
DWORD WINAPI ClusWorkerCreate(CLUS_WORKER *lpWorker, PWORKER_START_ROUTINE lpStartAddress, LPVOID lpParameter);
BOOL WINAPI ClusWorkerCheckTerminate(CLUS_WORKER *lpWorker);
void WINAPI ClusWorkerTerminate(CLUS_WORKER *lpWorker);
DWORD WINAPI ClusWorkerTerminateEx(CLUS_WORKER *ClusWorker, DWORD TimeoutInMilliseconds, BOOL WaitOnly);
DWORD WINAPI ClusWorkersTerminate(PCLUS_WORKER *ClusWorkers, size_t ClusWorkersCount,
        DWORD TimeoutInMilliseconds, BOOL WaitOnly);

/* Property tables, lists and parameter blocks. */
DWORD WINAPI ResUtilEnumProperties(const RESUTIL_PROPERTY_ITEM *pPropertyTable, LPWSTR pszOutProperties,
        DWORD cbOutPropertiesSize, LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilGetProperties(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID pOutPropertyList, DWORD cbOutPropertyListSize, LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilGetAllProperties(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID pOutPropertyList, DWORD cbOutPropertyListSize, LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilGetPropertySize(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTableItem,
        LPDWORD pcbOutPropertyListSize, LPDWORD pnPropertyCount);
DWORD WINAPI ResUtilGetProperty(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTableItem,
        LPVOID *pOutPropertyItem, LPDWORD pcbOutPropertyItemSize);
DWORD WINAPI ResUtilAddUnknownProperties(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID pOutPropertyList, DWORD pcbOutPropertyListSize, LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilGetPropertyFormats(const RESUTIL_PROPERTY_ITEM *pPropertyTable, LPVOID pOutPropertyFormatList,
        DWORD cbPropertyFormatListSize, LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilEnumPrivateProperties(HKEY hkeyClusterKey, LPWSTR pszOutProperties, DWORD cbOutPropertiesSize,
        LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilGetPrivateProperties(HKEY hkeyClusterKey, LPVOID pOutPropertyList, DWORD cbOutPropertyListSize,
        LPDWORD pcbBytesReturned, LPDWORD pcbRequired);
DWORD WINAPI ResUtilVerifyPrivatePropertyList(const void *pInPropertyList, DWORD cbInPropertyListSize);
DWORD WINAPI ResUtilSetPrivatePropertyList(HKEY hkeyClusterKey, const void *pInPropertyList,
        DWORD cbInPropertyListSize);
DWORD WINAPI ResUtilVerifyPropertyTable(const RESUTIL_PROPERTY_ITEM *pPropertyTable, const void *Reserved,
        BOOL bAllowUnknownProperties, const void *pInPropertyList, DWORD cbInPropertyListSize, LPBYTE pOutParams);
DWORD WINAPI ResUtilSetPropertyTable(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        const void *Reserved, BOOL bAllowUnknownProperties, const void *pInPropertyList, DWORD cbInPropertyListSize,
        LPBYTE pOutParams);
DWORD WINAPI ResUtilSetPropertyTableEx(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        const void *Reserved, BOOL bAllowUnknownProperties, const void *pInPropertyList, DWORD cbInPropertyListSize,
        BOOL bForceWrite, LPBYTE pOutParams);
DWORD WINAPI ResUtilSetUnknownProperties(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        const void *pInPropertyList, DWORD cbInPropertyListSize);
DWORD WINAPI ResUtilGetPropertiesToParameterBlock(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPBYTE pOutParams, BOOL bCheckForRequiredProperties, LPWSTR *pszNameOfPropInError);
DWORD WINAPI ResUtilPropertyListFromParameterBlock(const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID pOutPropertyList, LPDWORD pcbOutPropertyListSize, const BYTE *pInParams, LPDWORD pcbBytesReturned,
        LPDWORD pcbRequired);
DWORD WINAPI ResUtilDupParameterBlock(LPBYTE pOutParams, const BYTE *pInParams,
        const RESUTIL_PROPERTY_ITEM *pPropertyTable);
void WINAPI ResUtilFreeParameterBlock(LPBYTE pOutParams, const BYTE *pInParams,
        const RESUTIL_PROPERTY_ITEM *pPropertyTable);
DWORD WINAPI ResUtilSetPropertyParameterBlock(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID Reserved, const BYTE *pInParams, const void *pInPropertyList, DWORD cbInPropertyListSize,
        LPBYTE pOutParams);
DWORD WINAPI ResUtilSetPropertyParameterBlockEx(HKEY hkeyClusterKey, const RESUTIL_PROPERTY_ITEM *pPropertyTable,
        LPVOID Reserved, const BYTE *pInParams, const void *pInPropertyList, DWORD cbInPropertyListSize,
        BOOL bForceWrite, LPBYTE pOutParams);

/* One property of a list. */
DWORD WINAPI ResUtilFindSzProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LPWSTR *pszPropertyValue);
DWORD WINAPI ResUtilFindExpandSzProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LPWSTR *pszPropertyValue);
DWORD WINAPI ResUtilFindExpandedSzProperty(const void *pPropertyList, DWORD cbPropertyListSize,
        LPCWSTR pszPropertyName, LPWSTR *pszPropertyValue);
DWORD WINAPI ResUtilFindDwordProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LPDWORD pdwPropertyValue);
DWORD WINAPI ResUtilFindBinaryProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LPBYTE *pbPropertyValue, LPDWORD pcbPropertyValueSize);
DWORD WINAPI ResUtilFindMultiSzProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LPWSTR *pszPropertyValue, LPDWORD pcbPropertyValueSize);
DWORD WINAPI ResUtilFindLongProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        LONG *plPropertyValue);
DWORD WINAPI ResUtilFindULargeIntegerProperty(const void *pPropertyList, DWORD cbPropertyListSize,
        LPCWSTR pszPropertyName, ULONGLONG *plPropertyValue);
DWORD WINAPI ResUtilFindFileTimeProperty(const void *pPropertyList, DWORD cbPropertyListSize, LPCWSTR pszPropertyName,
        FILETIME *pftPropertyValue);
DWORD WINAPI ResUtilGetBinaryProperty(LPBYTE *ppbOutValue, LPDWORD pcbOutValueSize,
        const CLUSPROP_BINARY *pValueStruct, const BYTE *pbOldValue, DWORD cbOldValueSize, LPBYTE *ppPropertyList,
        LPDWORD pcbPropertyListSize);
DWORD WINAPI ResUtilGetSzProperty(LPWSTR *ppszOutValue, const CLUSPROP_SZ *pValueStruct, LPCWSTR pszOldValue,
        LPBYTE *ppPropertyList, LPDWORD pcbPropertyListSize);
DWORD WINAPI ResUtilGetMultiSzProperty(LPWSTR *ppszOutValue, LPDWORD pcbOutValueSize, const CLUSPROP_SZ *pValueStruct,
        LPCWSTR pszOldValue, DWORD cbOldValueSize, LPBYTE *ppPropertyList, LPDWORD pcbPropertyListSize);
DWORD WINAPI ResUtilGetDwordProperty(LPDWORD pdwOutValue, const CLUSPROP_DWORD *pValueStruct, DWORD dwOldValue,
        DWORD dwMinimum, DWORD dwMaximum, LPBYTE *ppPropertyList, LPDWORD pcbPropertyListSize);
DWORD WINAPI ResUtilGetLongProperty(LONG *plOutValue, const CLUSPROP_LONG *pValueStruct, LONG lOldValue,
        LONG lMinimum, LONG lMaximum, LPBYTE *ppPropertyList, LPDWORD pcbPropertyListSize);
DWORD WINAPI ResUtilGetFileTimeProperty(FILETIME *pftOutValue, const CLUSPROP_FILETIME *pValueStruct,
        FILETIME ftOldValue, FILETIME ftMinimum, FILETIME ftMaximum, LPBYTE *ppPropertyList,
        LPDWORD pcbPropertyListSize);

/* Values of the cluster database. What is handed out is freed with LocalFree. */
LPWSTR WINAPI ResUtilDupString(LPCWSTR pszInString);
DWORD WINAPI ResUtilGetBinaryValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, LPBYTE *ppbOutValue,
        LPDWORD pcbOutValueSize);
LPWSTR WINAPI ResUtilGetSzValue(HKEY hkeyClusterKey, LPCWSTR pszValueName);
LPWSTR WINAPI ResUtilGetExpandSzValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, BOOL bExpand);
DWORD WINAPI ResUtilGetDwordValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, LPDWORD pdwOutValue,
        DWORD dwDefaultValue);
DWORD WINAPI ResUtilGetQwordValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, ULONGLONG *pqwOutValue,
        ULONGLONG qwDefaultValue);
DWORD WINAPI ResUtilSetBinaryValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, const BYTE *pbNewValue,
        DWORD cbNewValueSize, LPBYTE *ppbOutValue, LPDWORD pcbOutValueSize);
DWORD WINAPI ResUtilSetSzValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, LPCWSTR pszNewValue, LPWSTR *ppszOutString);
DWORD WINAPI ResUtilSetExpandSzValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, LPCWSTR pszNewValue,
        LPWSTR *ppszOutString);
DWORD WINAPI ResUtilSetMultiSzValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, LPCWSTR pszNewValue,
        DWORD cbNewValueSize, LPWSTR *ppszOutValue, LPDWORD pcbOutValueSize);
DWORD WINAPI ResUtilSetDwordValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, DWORD dwNewValue, LPDWORD pdwOutValue);
DWORD WINAPI ResUtilSetQwordValue(HKEY hkeyClusterKey, LPCWSTR pszValueName, ULONGLONG qwNewValue,
        ULONGLONG *pqwOutValue);
DWORD WINAPI ResUtilSetValueEx(HKEY hkeyClusterKey, LPCWSTR valueName, DWORD valueType, const BYTE *valueData,
        DWORD valueSize, DWORD flags);
DWORD WINAPI ResUtilsDeleteKeyTree(HKEY key, LPCWSTR keyName, BOOL treatNoKeyAsError);

/* Services, environment, paths. */
DWORD WINAPI ResUtilStartResourceService(LPCWSTR pszServiceName, LPSC_HANDLE phServiceHandle);
DWORD WINAPI ResUtilVerifyResourceService(LPCWSTR pszServiceName);
DWORD WINAPI ResUtilStopResourceService(LPCWSTR pszServiceName);
DWORD WINAPI ResUtilVerifyService(SC_HANDLE hServiceHandle);
DWORD WINAPI ResUtilStopService(SC_HANDLE hServiceHandle);
DWORD WINAPI ResUtilSetResourceServiceEnvironment(LPCWSTR pszServiceName, HRESOURCE hResource,
        PLOG_EVENT_ROUTINE pfnLogEvent, RESOURCE_HANDLE hResourceHandle);
DWORD WINAPI ResUtilRemoveResourceServiceEnvironment(LPCWSTR pszServiceName, PLOG_EVENT_ROUTINE pfnLogEvent,
        RESOURCE_HANDLE hResourceHandle);
DWORD WINAPI ResUtilSetResourceServiceStartParameters(LPCWSTR pszServiceName, SC_HANDLE schSCMHandle,
        LPSC_HANDLE phService, PLOG_EVENT_ROUTINE pfnLogEvent, RESOURCE_HANDLE hResourceHandle);
DWORD WINAPI ResUtilSetResourceServiceStartParametersEx(LPCWSTR pszServiceName, SC_HANDLE schSCMHandle,
        LPSC_HANDLE phService, DWORD dwDesiredAccess, PLOG_EVENT_ROUTINE pfnLogEvent,
        RESOURCE_HANDLE hResourceHandle);
DWORD WINAPI ResUtilTerminateServiceProcessFromResDll(DWORD dwServicePid, BOOL bOffline, LPDWORD pdwResourceState,
        PLOG_EVENT_ROUTINE pfnLogEvent, RESOURCE_HANDLE hResourceHandle);
LPWSTR WINAPI ResUtilExpandEnvironmentStrings(LPCWSTR pszSrc);
LPVOID WINAPI ResUtilGetEnvironmentWithNetName(HRESOURCE hResource);
DWORD WINAPI ResUtilFreeEnvironment(LPVOID lpEnvironment);
DWORD WINAPI ResUtilCreateDirectoryTree(LPCWSTR pszPath);
BOOL WINAPI ResUtilIsPathValid(LPCWSTR pszPath);

/* Dependencies, enumeration, comparison, the cluster as a whole. */
HRESOURCE WINAPI ResUtilGetResourceDependency(HANDLE hSelf, LPCWSTR lpszResourceType);
HRESOURCE WINAPI ResUtilGetResourceDependencyEx(HANDLE hSelf, LPCWSTR lpszResourceType, DWORD dwDesiredAccess);
HRESOURCE WINAPI ResUtilGetResourceDependencyByName(HCLUSTER hCluster, HANDLE hSelf, LPCWSTR lpszResourceType,
        BOOL bRecurse);
HRESOURCE WINAPI ResUtilGetResourceDependencyByNameEx(HCLUSTER hCluster, HANDLE hSelf, LPCWSTR lpszResourceType,
        BOOL bRecurse, DWORD dwDesiredAccess);
HRESOURCE WINAPI ResUtilGetResourceDependencyByClass(HCLUSTER hCluster, HANDLE hSelf, CLUS_RESOURCE_CLASS_INFO *prci,
        BOOL bRecurse);
HRESOURCE WINAPI ResUtilGetResourceDependencyByClassEx(HCLUSTER hCluster, HANDLE hSelf,
        CLUS_RESOURCE_CLASS_INFO *prci, BOOL bRecurse, DWORD dwDesiredAccess);
HRESOURCE WINAPI ResUtilGetResourceNameDependency(LPCWSTR lpszResourceName, LPCWSTR lpszResourceType);
HRESOURCE WINAPI ResUtilGetResourceNameDependencyEx(LPCWSTR lpszResourceName, LPCWSTR lpszResourceType,
        DWORD dwDesiredAccess);
BOOL WINAPI ResUtilResourcesEqual(HRESOURCE hSelf, HRESOURCE hResource);
BOOL WINAPI ResUtilResourceTypesEqual(LPCWSTR lpszResourceTypeName, HRESOURCE hResource);
BOOL WINAPI ResUtilIsResourceClassEqual(CLUS_RESOURCE_CLASS_INFO *prci, HRESOURCE hResource);
DWORD WINAPI ResUtilDupResource(HRESOURCE group, HRESOURCE *copy);
DWORD WINAPI ResUtilGetResourceName(HRESOURCE hResource, LPWSTR pszResourceName, LPDWORD pcchResourceNameInOut);
DWORD WINAPI ResUtilGetResourceDependentIPAddressProps(HRESOURCE hResource, LPWSTR pszAddress, LPDWORD pcchAddress,
        LPWSTR pszSubnetMask, LPDWORD pcchSubnetMask, LPWSTR pszNetwork, LPDWORD pcchNetwork);
DWORD WINAPI ResUtilEnumResources(HRESOURCE hSelf, LPCWSTR lpszResTypeName, LPRESOURCE_CALLBACK pResCallBack,
        LPVOID pParameter);
DWORD WINAPI ResUtilEnumResourcesEx(HCLUSTER hCluster, HRESOURCE hSelf, LPCWSTR lpszResTypeName,
        LPRESOURCE_CALLBACK_EX pResCallBack, LPVOID pParameter);
DWORD WINAPI ResUtilEnumResourcesEx2(HCLUSTER hCluster, HRESOURCE hSelf, LPCWSTR lpszResTypeName,
        LPRESOURCE_CALLBACK_EX pResCallBack, LPVOID pParameter, DWORD dwDesiredAccess);
DWORD WINAPI ResUtilEnumGroups(HCLUSTER hCluster, HGROUP hSelf, LPGROUP_CALLBACK_EX pResCallBack, LPVOID pParameter);
DWORD WINAPI ResUtilEnumGroupsEx(HCLUSTER hCluster, HGROUP hSelf, CLUSGROUP_TYPE groupType,
        LPGROUP_CALLBACK_EX pResCallBack, LPVOID pParameter);
DWORD WINAPI ResUtilNodeEnum(HCLUSTER hCluster, LPNODE_CALLBACK pNodeCallBack, LPVOID pParameter);
DWORD WINAPI ResUtilResourceDepEnum(HRESOURCE hSelf, DWORD enumType, LPRESOURCE_CALLBACK_EX pResCallBack,
        LPVOID pParameter);
DWORD WINAPI ResUtilGetCoreClusterResources(HCLUSTER hCluster, HRESOURCE *phClusterNameResource,
        HRESOURCE *phClusterIPAddressResource, HRESOURCE *phClusterQuorumResource);
DWORD WINAPI ResUtilGetCoreClusterResourcesEx(HCLUSTER hClusterIn, HRESOURCE *phClusterNameResourceOut,
        HRESOURCE *phClusterQuorumResourceOut, DWORD dwDesiredAccess);
HGROUP WINAPI ResUtilGetCoreGroup(HCLUSTER hCluster);
DWORD WINAPI ResUtilGroupsEqual(HGROUP hSelf, HGROUP hGroup, BOOL *pEqual);
DWORD WINAPI ResUtilDupGroup(HGROUP group, HGROUP *copy);
DWORD WINAPI ResUtilGetClusterGroupType(HGROUP hGroup, CLUSGROUP_TYPE *groupType);
DWORD WINAPI ResUtilGetClusterId(HCLUSTER hCluster, GUID *guid);
CLUSTER_ROLE_STATE WINAPI ResUtilGetClusterRoleState(HCLUSTER hCluster, CLUSTER_ROLE eClusterRole);

/* Functions that need Windows, and fail as documented. */
HCLUSCRYPTPROVIDER WINAPI OpenClusterCryptProvider(LPCWSTR lpszResource, LPCSTR lpszProvider, DWORD dwType,
        DWORD dwFlags);
HCLUSCRYPTPROVIDER WINAPI OpenClusterCryptProviderEx(LPCWSTR lpszResource, LPCWSTR lpszKeyname, LPCSTR lpszProvider,
        DWORD dwType, DWORD dwFlags);
DWORD WINAPI CloseClusterCryptProvider(HCLUSCRYPTPROVIDER hClusCryptProvider);
DWORD WINAPI ClusterEncrypt(HCLUSCRYPTPROVIDER hClusCryptProvider, const BYTE *pData, DWORD cbData, LPBYTE *ppData,
        LPDWORD pcbData);
DWORD WINAPI ClusterDecrypt(HCLUSCRYPTPROVIDER hClusCryptProvider, const BYTE *pCryptInput, DWORD cbCryptInput,
        LPBYTE *ppCryptOutput, LPDWORD pcbCryptOutput);
DWORD WINAPI FreeClusterCrypt(const void *pCryptInfo);
BOOL WINAPI ClusterIsPathOnSharedVolume(LPCWSTR lpszPathName);
BOOL WINAPI ClusterGetVolumePathName(LPCWSTR lpszFileName, LPWSTR lpszVolumePathName, DWORD cchBufferLength);
BOOL WINAPI ClusterGetVolumeNameForVolumeMountPoint(LPCWSTR lpszVolumeMountPoint, LPWSTR lpszVolumeName,
        DWORD cchBufferLength);
DWORD WINAPI ResUtilFindDependentDiskResourceDriveLetter(HCLUSTER hCluster, HRESOURCE hResource,
        LPWSTR pszDriveLetter, LPDWORD pcchDriveLetter);
DWORD WINAPI ResUtilVerifyShutdownSafe(DWORD flags, DWORD reason, LPDWORD pResult);

#ifdef __cplusplus
}
#endif

#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

#endif
