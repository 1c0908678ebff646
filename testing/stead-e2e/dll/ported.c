/*
 * ported.c - resource DLL for the "Ported Daemon" resource type.
 *
 * A daemon is started with a command line and kept alive.
 *
 * Written from Windows' documentation alone, in the manner of its sources: it uses what these commonly use.
 */
#define _GNU_SOURCE 1
#define UNICODE 1
#define _UNICODE 1

#include <windows.h>
#include <stdio.h>
#include <wchar.h>
#include <strsafe.h>
#include <clusapi.h>
#include <resapi.h>


#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define PORTED_RESNAME              L"Ported Daemon"
#define PORTED_VERSION              L"2.1.0"
#define MODULE_NAME                 L"ported"

#define PROP_NAME__COMMANDLINE      CLUSREG_NAME_GENAPP_COMMAND_LINE
#define PROP_NAME__ARGUMENTS        L"Arguments"
#define PROP_NAME__WORKINGDIR       L"WorkingDirectory"
#define PROP_NAME__STOPTIMEOUT      L"StopTimeout"
#define PROP_NAME__MAXLOGBYTES      L"MaxLogBytes"
#define PROP_NAME__COOKIE           L"Cookie"
#define PROP_NAME__PRIORITY         L"Priority"
#define PROP_NAME__VERSION          L"ProgramVersion"

#define PROP_MIN__STOPTIMEOUT       (1)
#define PROP_MAX__STOPTIMEOUT       (600)
#define PROP_DEFAULT__STOPTIMEOUT   (5)
#define PROP_MIN__PRIORITY          (-20)
#define PROP_MAX__PRIORITY          (19)

#define PARAM_KEYNAME__PARAMETERS    L"Parameters"
#define MAX_ARGUMENTS               32

/* Private properties. */
typedef struct _PORTED_PARAMS {
    PWSTR           pszCommandLine;
    PWSTR           pmszArguments;
    DWORD           cbArguments;
    PWSTR           pszWorkingDirectory;
    DWORD           dwStopTimeout;
    LONG            lPriority;
    ULARGE_INTEGER  uliMaxLogBytes;
    PBYTE           pbCookie;
    DWORD           cbCookie;
} PORTED_PARAMS, *PPORTED_PARAMS;

typedef struct _PORTED_RESOURCE {
    RESID                   resid;              /* For validation. */
    CRITICAL_SECTION        csLock;
    PORTED_PARAMS           props;
    HCLUSTER                hCluster;
    HRESOURCE               hResource;
    HKEY                    hkeyParameters;
    RESOURCE_HANDLE         hResourceHandle;
    LPWSTR                  pszResourceName;
    CLUS_WORKER             cwOnline;
    CLUS_WORKER             cwOffline;
    CLUS_WORKER             cwWatch;
    CLUSTER_RESOURCE_STATE  state;
    HANDLE                  hEventFailed;
    volatile LONG           lPid;
    LPWSTR                  pszDisk;            /* Name of a storage provider, if any. */
} PORTED_RESOURCE, *PPORTED_RESOURCE;

static PLOG_EVENT_ROUTINE               g_pfnLogEvent = NULL;
static PSET_RESOURCE_STATUS_ROUTINE_EX  g_pfnSetResourceStatusEx = NULL;
static PSET_RESOURCE_STATUS_ROUTINE     g_pfnSetResourceStatus = NULL;
static volatile LONG                    g_cResources = 0;
static CRITICAL_SECTION                 g_csGlobal;
static BOOL                             g_fAttached = FALSE;

static RESUTIL_ULARGEINT_DATA g_MaxLogBytes = { { { 1048576, 0 } }, { { 4096, 0 } }, { { 0, 16 } } };
static BYTE g_rgbCookie[] = { 0xCA, 0xFE };

static RESUTIL_PROPERTY_ITEM PortedResourcePrivateProperties[] = {
    { PROP_NAME__COMMANDLINE, NULL, CLUSPROP_FORMAT_SZ, { 0 }, 0, 0, RESUTIL_PROPITEM_REQUIRED,
      FIELD_OFFSET( PORTED_PARAMS, pszCommandLine ) },
    { PROP_NAME__ARGUMENTS, NULL, CLUSPROP_FORMAT_MULTI_SZ, { 0 }, 0, 0, 0,
      FIELD_OFFSET( PORTED_PARAMS, pmszArguments ) },
    { PROP_NAME__WORKINGDIR, NULL, CLUSPROP_FORMAT_EXPAND_SZ, { (DWORD_PTR) L"/" }, 0, 0, 0,
      FIELD_OFFSET( PORTED_PARAMS, pszWorkingDirectory ) },
    { PROP_NAME__STOPTIMEOUT, NULL, CLUSPROP_FORMAT_DWORD, { PROP_DEFAULT__STOPTIMEOUT }, PROP_MIN__STOPTIMEOUT,
      PROP_MAX__STOPTIMEOUT, 0, FIELD_OFFSET( PORTED_PARAMS, dwStopTimeout ) },
    { PROP_NAME__PRIORITY, NULL, CLUSPROP_FORMAT_LONG, { 0 }, (DWORD) PROP_MIN__PRIORITY, PROP_MAX__PRIORITY,
      RESUTIL_PROPITEM_SIGNED, FIELD_OFFSET( PORTED_PARAMS, lPriority ) },
    { PROP_NAME__MAXLOGBYTES, NULL, CLUSPROP_FORMAT_ULARGE_INTEGER, { (DWORD_PTR) &g_MaxLogBytes }, 0, 0, 0,
      FIELD_OFFSET( PORTED_PARAMS, uliMaxLogBytes ) },
    { PROP_NAME__COOKIE, NULL, CLUSPROP_FORMAT_BINARY, { (DWORD_PTR) g_rgbCookie }, sizeof( g_rgbCookie ), 0, 0,
      FIELD_OFFSET( PORTED_PARAMS, pbCookie ) },
    { NULL, NULL, 0, { 0 }, 0, 0, 0, 0 }
};

/* Read-only private properties. */
typedef struct _PORTED_RO_PARAMS {
    PWSTR pszVersion;
} PORTED_RO_PARAMS;

static RESUTIL_PROPERTY_ITEM PortedResourceROPrivateProperties[] = {
    { PROP_NAME__VERSION, NULL, CLUSPROP_FORMAT_SZ, { (DWORD_PTR) PORTED_VERSION }, 0, 0, RESUTIL_PROPITEM_READ_ONLY,
      FIELD_OFFSET( PORTED_RO_PARAMS, pszVersion ) },
    { NULL, NULL, 0, { 0 }, 0, 0, 0, 0 }
};

/* Forward references. */
RESID WINAPI PortedOpen( IN LPCWSTR ResourceName, IN HKEY ResourceKey, IN RESOURCE_HANDLE ResourceHandle );
void  WINAPI PortedClose( IN RESID ResourceId );
DWORD WINAPI PortedOnline( IN RESID ResourceId, IN OUT PHANDLE EventHandle );
DWORD WINAPI PortedOffline( IN RESID ResourceId );
void  WINAPI PortedTerminate( IN RESID ResourceId );
BOOL  WINAPI PortedLooksAlive( IN RESID ResourceId );
BOOL  WINAPI PortedIsAlive( IN RESID ResourceId );
DWORD WINAPI PortedResourceControl( IN RESID ResourceId, IN DWORD ControlCode, IN PVOID InBuffer,
    IN DWORD InBufferSize, OUT PVOID OutBuffer, IN DWORD OutBufferSize, OUT LPDWORD BytesReturned );
DWORD WINAPI PortedResourceTypeControl( IN LPCWSTR ResourceTypeName, IN DWORD ControlCode, IN PVOID InBuffer,
    IN DWORD InBufferSize, OUT PVOID OutBuffer, IN DWORD OutBufferSize, OUT LPDWORD BytesReturned );

CLRES_V1_FUNCTION_TABLE( PortedFunctionTable, CLRES_VERSION_V1_00, Ported, NULL, NULL,
    PortedResourceControl, PortedResourceTypeControl );

#ifdef __cplusplus
extern "C"
#endif
BOOL WINAPI DllMain( IN HINSTANCE hDllHandle, IN DWORD nReason, IN LPVOID pvReserved )
{
    UNREFERENCED_PARAMETER( pvReserved );
    switch ( nReason ) {
        case DLL_PROCESS_ATTACH:
            DisableThreadLibraryCalls( hDllHandle );
            InitializeCriticalSection( &g_csGlobal );
            g_fAttached = TRUE;
            break;
        case DLL_PROCESS_DETACH:
            DeleteCriticalSection( &g_csGlobal );
            g_fAttached = FALSE;
            break;
        default:
            break;
    }
    return TRUE;
}

DWORD WINAPI StartupEx(
    IN LPCWSTR pszResourceType,
    IN DWORD nMinVersionSupported,
    IN DWORD nMaxVersionSupported,
    IN PCLRES_CALLBACK_FUNCTION_TABLE pCallbacks,
    OUT PCLRES_FUNCTION_TABLE * pFunctionTable )
{
    if ( nMinVersionSupported > CLRES_VERSION_V1_00 || nMaxVersionSupported < CLRES_VERSION_V1_00 ) {
        return ERROR_REVISION_MISMATCH;
    }
    if ( lstrcmpiW( pszResourceType, PORTED_RESNAME ) != 0 ) {
        return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    }
    if ( !g_fAttached ) {
        return ERROR_DLL_INIT_FAILED;
    }
    EnterCriticalSection( &g_csGlobal );
    g_pfnLogEvent = pCallbacks->LogEvent;
    g_pfnSetResourceStatusEx = pCallbacks->SetResourceStatusEx;
    LeaveCriticalSection( &g_csGlobal );
    *pFunctionTable = &PortedFunctionTable;
    return ERROR_SUCCESS;
}

DWORD WINAPI Startup(
    IN LPCWSTR pszResourceType,
    IN DWORD nMinVersionSupported,
    IN DWORD nMaxVersionSupported,
    IN PSET_RESOURCE_STATUS_ROUTINE pfnSetResourceStatus,
    IN PLOG_EVENT_ROUTINE pfnLogEvent,
    OUT PCLRES_FUNCTION_TABLE * pFunctionTable )
{
    if ( nMinVersionSupported > CLRES_VERSION_V1_00 || nMaxVersionSupported < CLRES_VERSION_V1_00 ) {
        return ERROR_REVISION_MISMATCH;
    }
    if ( lstrcmpiW( pszResourceType, PORTED_RESNAME ) != 0 ) {
        return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    }
    g_pfnLogEvent = pfnLogEvent;
    g_pfnSetResourceStatus = pfnSetResourceStatus;
    *pFunctionTable = &PortedFunctionTable;
    return ERROR_SUCCESS;
}

/* Reports a state through whichever routine the monitor gave us. */
static DWORD PortedSetStatus( PPORTED_RESOURCE pRes, CLUSTER_RESOURCE_STATE crs, DWORD dwCheckPoint, HANDLE hEvent )
{
    pRes->state = crs;
    if ( g_pfnSetResourceStatusEx != NULL ) {
        RESOURCE_STATUS_EX rsx;
        ResUtilInitializeResourceStatusEx( &rsx );
        rsx.ResourceState = crs;
        rsx.CheckPoint = dwCheckPoint;
        rsx.EventHandle = hEvent;
        return g_pfnSetResourceStatusEx( pRes->hResourceHandle, &rsx );
    } else {
        RESOURCE_STATUS rs;
        ResUtilInitializeResourceStatus( &rs );
        rs.ResourceState = crs;
        rs.CheckPoint = dwCheckPoint;
        rs.EventHandle = hEvent;
        return g_pfnSetResourceStatus( pRes->hResourceHandle, &rs );
    }
}

RESID WINAPI PortedOpen( IN LPCWSTR pszResourceName, IN HKEY hkey, IN RESOURCE_HANDLE hResourceHandle )
{
    DWORD               nStatus;
    PPORTED_RESOURCE    pRes = NULL;
    size_t              cchName;

    pRes = (PPORTED_RESOURCE) HeapAlloc( GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof( PORTED_RESOURCE ) );
    if ( pRes == NULL ) {
        g_pfnLogEvent( hResourceHandle, LOG_ERROR, L"Open: out of memory (%1!u! bytes).\n", (DWORD) sizeof( PORTED_RESOURCE ) );
        SetLastError( ERROR_NOT_ENOUGH_MEMORY );
        return NULL;
    }
    InitializeCriticalSection( &pRes->csLock );
    pRes->hResourceHandle = hResourceHandle;
    pRes->state = ClusterResourceOffline;

    cchName = wcslen( pszResourceName ) + 1;
    pRes->pszResourceName = (LPWSTR) LocalAlloc( LMEM_FIXED, cchName * sizeof( WCHAR ) );
    if ( pRes->pszResourceName == NULL ) {
        nStatus = GetLastError();
        goto Error;
    }
    if ( FAILED( StringCchCopyW( pRes->pszResourceName, cchName, pszResourceName ) ) ) {
        nStatus = ERROR_INVALID_PARAMETER;
        goto Error;
    }

    nStatus = ClusterRegOpenKey( hkey, PARAM_KEYNAME__PARAMETERS, KEY_ALL_ACCESS, &pRes->hkeyParameters );
    if ( nStatus != ERROR_SUCCESS ) {
        g_pfnLogEvent( hResourceHandle, LOG_ERROR, L"Open: Unable to open Parameters key. Error: %1!u! (%1!#08x!).\n", nStatus );
        goto Error;
    }

    pRes->hCluster = OpenCluster( NULL );
    if ( pRes->hCluster == NULL ) {
        nStatus = GetLastError();
        g_pfnLogEvent( hResourceHandle, LOG_ERROR, L"Open: Unable to open the cluster. Error: %1!u!.\n", nStatus );
        goto Error;
    }
    pRes->hResource = OpenClusterResource( pRes->hCluster, pszResourceName );
    if ( pRes->hResource == NULL ) {
        nStatus = GetLastError();
        g_pfnLogEvent( hResourceHandle, LOG_ERROR, L"Open: Unable to open the resource '%1!s!'. Error: %2!u!.\n",
            pszResourceName, nStatus );
        goto Error;
    }

    pRes->hEventFailed = CreateEvent( NULL, TRUE, FALSE, NULL );
    if ( pRes->hEventFailed == NULL ) {
        nStatus = GetLastError();
        goto Error;
    }
    pRes->resid = (RESID) pRes;
    InterlockedIncrement( &g_cResources );
    g_pfnLogEvent( hResourceHandle, LOG_INFORMATION, L"Open: '%1!ls!' opened, %2!d! in this process.\n", pszResourceName, g_cResources );
    return pRes->resid;

Error:
    if ( pRes->hResource != NULL ) CloseClusterResource( pRes->hResource );
    if ( pRes->hCluster != NULL ) CloseCluster( pRes->hCluster );
    if ( pRes->hkeyParameters != NULL ) ClusterRegCloseKey( pRes->hkeyParameters );
    LocalFree( pRes->pszResourceName );
    DeleteCriticalSection( &pRes->csLock );
    HeapFree( GetProcessHeap(), 0, pRes );
    SetLastError( nStatus );
    return NULL;
}

void WINAPI PortedClose( IN RESID ResourceId )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) ResourceId;

    if ( pRes == NULL || pRes->resid != ResourceId ) {
        return;
    }
    PortedTerminate( ResourceId );
    CloseClusterResource( pRes->hResource );
    CloseCluster( pRes->hCluster );
    ClusterRegCloseKey( pRes->hkeyParameters );
    ResUtilFreeParameterBlock( (LPBYTE) &pRes->props, NULL, PortedResourcePrivateProperties );
    LocalFree( pRes->pszDisk );
    LocalFree( pRes->pszResourceName );
    CloseHandle( pRes->hEventFailed );
    DeleteCriticalSection( &pRes->csLock );
    SecureZeroMemory( pRes, sizeof( *pRes ) );
    HeapFree( GetProcessHeap(), 0, pRes );
    InterlockedDecrement( &g_cResources );
}

/* Narrows a string to what the operating system's calls want. */
static LPSTR PortedNarrow( LPCWSTR psz )
{
    int     cb = WideCharToMultiByte( CP_UTF8, 0, psz, -1, NULL, 0, NULL, NULL );
    LPSTR   psa;

    if ( cb <= 0 ) return NULL;
    psa = (LPSTR) LocalAlloc( LPTR, (SIZE_T) cb );
    if ( psa == NULL ) return NULL;
    if ( WideCharToMultiByte( CP_UTF8, 0, psz, -1, psa, cb, NULL, NULL ) == 0 ) {
        LocalFree( psa );
        return NULL;
    }
    return psa;
}

#ifndef _WIN32
static DWORD PortedStartProcess( PPORTED_RESOURCE pRes )
{
    LPSTR       rgpsz[ MAX_ARGUMENTS + 2 ];
    LPSTR       pszDirectory;
    LPWSTR      pszExpanded;
    LPCWSTR     psz;
    DWORD       c = 0;
    DWORD       i;
    DWORD       nStatus = ERROR_SUCCESS;
    int         rgfd[ 2 ];
    int         nErrno = 0;
    pid_t       pid;

    ZeroMemory( rgpsz, sizeof( rgpsz ) );
    rgpsz[ c++ ] = PortedNarrow( pRes->props.pszCommandLine );
    for ( psz = pRes->props.pmszArguments; psz != NULL && *psz != L'\0' && c <= MAX_ARGUMENTS; psz += lstrlenW( psz ) + 1 ) {
        rgpsz[ c++ ] = PortedNarrow( psz );
    }
    pszExpanded = ResUtilExpandEnvironmentStrings( pRes->props.pszWorkingDirectory );
    pszDirectory = pszExpanded != NULL ? PortedNarrow( pszExpanded ) : NULL;
    if ( pszDirectory == NULL || pipe2( rgfd, O_CLOEXEC ) != 0 ) {
        nStatus = ERROR_NOT_ENOUGH_MEMORY;
        goto Done;
    }
    pid = fork();
    if ( pid == 0 ) {
        setpriority( PRIO_PROCESS, 0, pRes->props.lPriority );
        if ( chdir( pszDirectory ) == 0 ) execv( rgpsz[ 0 ], rgpsz );
        nErrno = errno;
        if ( write( rgfd[ 1 ], &nErrno, sizeof( nErrno ) ) < 0 ) _exit( 126 );
        _exit( 127 );
    }
    close( rgfd[ 1 ] );
    if ( pid < 0 ) {
        nStatus = ERROR_NOT_ENOUGH_MEMORY;
    } else if ( read( rgfd[ 0 ], &nErrno, sizeof( nErrno ) ) == (ssize_t) sizeof( nErrno ) ) {
        waitpid( pid, NULL, 0 );
        nStatus = nErrno == ENOENT ? ERROR_FILE_NOT_FOUND : nErrno == EACCES ? ERROR_ACCESS_DENIED : ERROR_BAD_EXE_FORMAT;
    } else {
        InterlockedExchange( &pRes->lPid, (LONG) pid );
    }
    close( rgfd[ 0 ] );
Done:
    for ( i = 0; i < c; i++ ) LocalFree( rgpsz[ i ] );
    LocalFree( pszDirectory );
    LocalFree( pszExpanded );
    return nStatus;
}
#endif

/* Waits for the daemon to end and sets the event when nobody wanted it to. */
static DWORD WINAPI PortedWatchThread( PCLUS_WORKER pWorker, IN PVOID pvContext )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) pvContext;
#ifndef _WIN32
    int     nExit = 0;
    pid_t   pid = (pid_t) pRes->lPid;

    while ( waitpid( pid, &nExit, 0 ) < 0 && errno == EINTR ) { }
    InterlockedExchange( &pRes->lPid, 0 );
    if ( !ClusWorkerCheckTerminate( pWorker ) && pRes->state == ClusterResourceOnline ) {
        g_pfnLogEvent( pRes->hResourceHandle, LOG_WARNING, L"Watch: process %1!d! ended with status %2!04X!.\n", (LONG) pid, nExit );
        SetEvent( pRes->hEventFailed );
    }
#endif
    return ERROR_SUCCESS;
}

/* Remembers the storage this daemon lives on. */
static void PortedFindDisk( PPORTED_RESOURCE pRes )
{
    HRESOURCE   hDisk = ResUtilGetResourceDependency( pRes->hResource, L"File System" );
    WCHAR       szName[ MAX_PATH ];
    DWORD       cch = ARRAYSIZE( szName );

    if ( hDisk == NULL ) {
        g_pfnLogEvent( pRes->hResourceHandle, LOG_INFORMATION, L"Online: no storage resource (%1!u!).\n", GetLastError() );
        return;
    }
    if ( ResUtilGetResourceName( hDisk, szName, &cch ) == ERROR_SUCCESS ) {
        LocalFree( pRes->pszDisk );
        pRes->pszDisk = ResUtilDupString( szName );
        g_pfnLogEvent( pRes->hResourceHandle, LOG_INFORMATION, L"Online: lives on '%1'.\n", szName );
    }
    CloseClusterResource( hDisk );
}

static DWORD WINAPI PortedOnlineThread( PCLUS_WORKER pWorker, IN PVOID pvContext )
{
    PPORTED_RESOURCE    pRes = (PPORTED_RESOURCE) pvContext;
    LPWSTR              pszNameOfPropInError = NULL;
    DWORD               dwCheckPoint = 1;
    DWORD               nStatus;

    PortedFindDisk( pRes );
    nStatus = ResUtilGetPropertiesToParameterBlock( pRes->hkeyParameters, PortedResourcePrivateProperties,
        (LPBYTE) &pRes->props, TRUE, &pszNameOfPropInError );
    if ( nStatus != ERROR_SUCCESS ) {
        g_pfnLogEvent( pRes->hResourceHandle, LOG_ERROR, L"Online: unable to read the '%1' property. Error: %2!u!.\n",
            pszNameOfPropInError == NULL ? L"" : pszNameOfPropInError, nStatus );
        LocalFree( pszNameOfPropInError );
        PortedSetStatus( pRes, ClusterResourceFailed, dwCheckPoint, NULL );
        return nStatus;
    }
    if ( PortedSetStatus( pRes, ClusterResourceOnlinePending, dwCheckPoint++, NULL ) == ResourceExitStateTerminate
         || ClusWorkerCheckTerminate( pWorker ) ) {
        return ERROR_OPERATION_ABORTED;
    }
    nStatus = PortedStartProcess( pRes );
    if ( nStatus == ERROR_SUCCESS ) {
        ResetEvent( pRes->hEventFailed );
        nStatus = ClusWorkerCreate( &pRes->cwWatch, PortedWatchThread, pRes );
    }
    if ( nStatus != ERROR_SUCCESS ) {
        g_pfnLogEvent( pRes->hResourceHandle, LOG_ERROR, L"Online: unable to start '%1!s!'. Error: %2!u!.\n",
            pRes->props.pszCommandLine, nStatus );
        PortedSetStatus( pRes, ClusterResourceFailed, dwCheckPoint, NULL );
        return nStatus;
    }
    g_pfnLogEvent( pRes->hResourceHandle, LOG_INFORMATION, L"Online: process %1!d!, log limit %2!I64u!, cookie %3!u! bytes.\n",
        pRes->lPid, pRes->props.uliMaxLogBytes.QuadPart, pRes->props.cbCookie );
    PortedSetStatus( pRes, ClusterResourceOnline, dwCheckPoint, pRes->hEventFailed );
    return ERROR_SUCCESS;
}

DWORD WINAPI PortedOnline( IN RESID ResourceId, IN OUT PHANDLE pEventHandle )
{
    PPORTED_RESOURCE    pRes = (PPORTED_RESOURCE) ResourceId;
    DWORD               nStatus;

    UNREFERENCED_PARAMETER( pEventHandle );
    if ( pRes == NULL || pRes->resid != ResourceId ) {
        return ERROR_RESOURCE_NOT_FOUND;
    }
    ClusWorkerTerminate( &pRes->cwOffline );
    pRes->state = ClusterResourceOnlinePending;
    nStatus = ClusWorkerCreate( &pRes->cwOnline, PortedOnlineThread, pRes );
    if ( nStatus != ERROR_SUCCESS ) {
        pRes->state = ClusterResourceFailed;
        g_pfnLogEvent( pRes->hResourceHandle, LOG_ERROR, L"Online: Unable to start thread, status %1!u!.\n", nStatus );
        return nStatus;
    }
    return ERROR_IO_PENDING;
}

static void PortedStop( PPORTED_RESOURCE pRes, BOOL fForce )
{
#ifndef _WIN32
    DWORD   nStart = GetTickCount();
    LONG    lPid;

    while ( ( lPid = InterlockedCompareExchange( &pRes->lPid, 0, 0 ) ) != 0 ) {
        BOOL fLate = fForce || ( GetTickCount() - nStart ) > pRes->props.dwStopTimeout * 1000;
        if ( kill( (pid_t) lPid, fLate ? SIGKILL : SIGTERM ) != 0 ) break;
        if ( WaitForSingleObject( pRes->cwWatch.hThread, 20 ) == WAIT_OBJECT_0 ) break;
    }
#endif
    ClusWorkerTerminate( &pRes->cwWatch );
}

static DWORD WINAPI PortedOfflineThread( PCLUS_WORKER pWorker, IN PVOID pvContext )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) pvContext;

    UNREFERENCED_PARAMETER( pWorker );
    PortedStop( pRes, FALSE );
    PortedSetStatus( pRes, ClusterResourceOffline, 0, NULL );
    return ERROR_SUCCESS;
}

DWORD WINAPI PortedOffline( IN RESID ResourceId )
{
    PPORTED_RESOURCE    pRes = (PPORTED_RESOURCE) ResourceId;
    DWORD               nStatus;

    if ( pRes == NULL || pRes->resid != ResourceId ) {
        return ERROR_RESOURCE_NOT_FOUND;
    }
    ClusWorkerTerminate( &pRes->cwOnline );
    pRes->state = ClusterResourceOfflinePending;
    nStatus = ClusWorkerCreate( &pRes->cwOffline, PortedOfflineThread, pRes );
    return nStatus == ERROR_SUCCESS ? ERROR_IO_PENDING : nStatus;
}

void WINAPI PortedTerminate( IN RESID ResourceId )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) ResourceId;

    if ( pRes == NULL || pRes->resid != ResourceId ) {
        return;
    }
    ClusWorkerTerminate( &pRes->cwOnline );
    pRes->state = ClusterResourceOffline;
    PortedStop( pRes, TRUE );
    ClusWorkerTerminate( &pRes->cwOffline );
}

static BOOL PortedCheckIsAlive( PPORTED_RESOURCE pRes )
{
#ifndef _WIN32
    LONG lPid = InterlockedCompareExchange( &pRes->lPid, 0, 0 );
    return lPid != 0 && kill( (pid_t) lPid, 0 ) == 0;
#else
    return TRUE;
#endif
}

BOOL WINAPI PortedLooksAlive( IN RESID ResourceId )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) ResourceId;
    if ( pRes == NULL || pRes->resid != ResourceId ) return FALSE;
    return PortedCheckIsAlive( pRes );
}

BOOL WINAPI PortedIsAlive( IN RESID ResourceId )
{
    PPORTED_RESOURCE pRes = (PPORTED_RESOURCE) ResourceId;
    if ( pRes == NULL || pRes->resid != ResourceId ) return FALSE;
    return PortedCheckIsAlive( pRes );
}

static DWORD PortedGetRequiredDependencies( OUT PVOID pOutBuffer, IN DWORD cbOutBuffer, OUT LPDWORD pcbBytesReturned )
{
    typedef struct _DEP_DATA {
        CLUSPROP_SYNTAX endmark;
    } DEP_DATA, *PDEP_DATA;
    PDEP_DATA pdepdata = (PDEP_DATA) pOutBuffer;

    *pcbBytesReturned = sizeof( DEP_DATA );
    if ( cbOutBuffer < sizeof( DEP_DATA ) ) {
        return ERROR_MORE_DATA;
    }
    ZeroMemory( pdepdata, sizeof( DEP_DATA ) );
    pdepdata->endmark.dw = CLUSPROP_SYNTAX_ENDMARK;
    return ERROR_SUCCESS;
}

static DWORD PortedValidatePrivateResProperties( IN OUT PPORTED_RESOURCE pRes, IN const PVOID pInBuffer,
    IN DWORD cbInBuffer, OUT PPORTED_PARAMS pProps )
{
    DWORD           nStatus;
    PORTED_PARAMS   propsNew;
    PPORTED_PARAMS  pParams = pProps != NULL ? pProps : &propsNew;
    PORTED_PARAMS   propsCurrent;
    LPWSTR          pszNameOfPropInError = NULL;

    if ( pInBuffer == NULL || cbInBuffer < sizeof( DWORD ) ) {
        return ERROR_INVALID_DATA;
    }
    nStatus = ResUtilVerifyPropertyTable( PortedResourceROPrivateProperties, NULL, TRUE, pInBuffer, cbInBuffer, NULL );
    if ( nStatus != ERROR_SUCCESS ) {
        return nStatus;
    }
    ZeroMemory( &propsCurrent, sizeof( propsCurrent ) );
    nStatus = ResUtilGetPropertiesToParameterBlock( pRes->hkeyParameters, PortedResourcePrivateProperties,
        (LPBYTE) &propsCurrent, FALSE, &pszNameOfPropInError );
    if ( nStatus != ERROR_SUCCESS ) {
        LocalFree( pszNameOfPropInError );
        return nStatus;
    }
    ZeroMemory( pParams, sizeof( PORTED_PARAMS ) );
    nStatus = ResUtilDupParameterBlock( (LPBYTE) pParams, (LPBYTE) &propsCurrent, PortedResourcePrivateProperties );
    if ( nStatus == ERROR_SUCCESS ) {
        nStatus = ResUtilVerifyPropertyTable( PortedResourcePrivateProperties, NULL, TRUE, pInBuffer, cbInBuffer, (LPBYTE) pParams );
    }
    if ( nStatus == ERROR_SUCCESS && pParams->pszCommandLine != NULL && pParams->pszCommandLine[ 0 ] != L'\0'
         && wcschr( pParams->pszCommandLine, L'/' ) != pParams->pszCommandLine ) {
        g_pfnLogEvent( pRes->hResourceHandle, LOG_ERROR, L"Validate: '%1' is not an absolute path.\n", pParams->pszCommandLine );
        nStatus = ERROR_INVALID_PARAMETER;
    }
    if ( nStatus != ERROR_SUCCESS || pParams == &propsNew ) {
        ResUtilFreeParameterBlock( (LPBYTE) pParams, (LPBYTE) &propsCurrent, PortedResourcePrivateProperties );
    }
    ResUtilFreeParameterBlock( (LPBYTE) &propsCurrent, NULL, PortedResourcePrivateProperties );
    return nStatus;
}

static DWORD PortedSetPrivateResProperties( IN OUT PPORTED_RESOURCE pRes, IN const PVOID pInBuffer, IN DWORD cbInBuffer )
{
    DWORD           nStatus;
    PORTED_PARAMS   propsNew;

    nStatus = PortedValidatePrivateResProperties( pRes, pInBuffer, cbInBuffer, &propsNew );
    if ( nStatus != ERROR_SUCCESS ) {
        return nStatus;
    }
    EnterCriticalSection( &pRes->csLock );
    nStatus = ResUtilSetPropertyParameterBlock( pRes->hkeyParameters, PortedResourcePrivateProperties, NULL,
        (LPBYTE) &propsNew, pInBuffer, cbInBuffer, (LPBYTE) &pRes->props );
    LeaveCriticalSection( &pRes->csLock );
    ResUtilFreeParameterBlock( (LPBYTE) &propsNew, (LPBYTE) &pRes->props, PortedResourcePrivateProperties );
    if ( nStatus == ERROR_SUCCESS && ( pRes->state == ClusterResourceOnline || pRes->state == ClusterResourceOnlinePending ) ) {
        nStatus = ERROR_RESOURCE_PROPERTIES_STORED;
    }
    return nStatus;
}

DWORD WINAPI PortedResourceControl( IN RESID ResourceId, IN DWORD nControlCode, IN PVOID pInBuffer,
    IN DWORD cbInBuffer, OUT PVOID pOutBuffer, IN DWORD cbOutBuffer, OUT LPDWORD pcbBytesReturned )
{
    DWORD               nStatus = ERROR_SUCCESS;
    DWORD               cbRequired = 0;
    PPORTED_RESOURCE    pRes = (PPORTED_RESOURCE) ResourceId;

    if ( pRes == NULL || pRes->resid != ResourceId ) {
        return ERROR_RESOURCE_NOT_FOUND;
    }
    *pcbBytesReturned = 0;
    switch ( nControlCode ) {
        case CLUSCTL_RESOURCE_UNKNOWN:
            break;

        case CLUSCTL_RESOURCE_GET_CLASS_INFO:
        {
            PCLUS_RESOURCE_CLASS_INFO pci = (PCLUS_RESOURCE_CLASS_INFO) pOutBuffer;
            *pcbBytesReturned = sizeof( CLUS_RESOURCE_CLASS_INFO );
            if ( pci == NULL || cbOutBuffer < sizeof( CLUS_RESOURCE_CLASS_INFO ) ) {
                nStatus = ERROR_MORE_DATA;
            } else {
                pci->rc = CLUS_RESCLASS_USER;
                pci->SubClass = 0;
            }
            break;
        }

        case CLUSCTL_RESOURCE_GET_CHARACTERISTICS:
            *pcbBytesReturned = sizeof( DWORD );
            if ( pOutBuffer == NULL || cbOutBuffer < sizeof( DWORD ) ) nStatus = ERROR_MORE_DATA;
            else *(LPDWORD) pOutBuffer = CLUS_CHAR_UNKNOWN;
            break;

        case CLUSCTL_RESOURCE_GET_REQUIRED_DEPENDENCIES:
            nStatus = PortedGetRequiredDependencies( pOutBuffer, cbOutBuffer, pcbBytesReturned );
            break;

        case CLUSCTL_RESOURCE_GET_LOADBAL_PROCESS_LIST:
            *pcbBytesReturned = pRes->lPid != 0 ? sizeof( DWORD ) : 0;
            if ( cbOutBuffer < *pcbBytesReturned ) nStatus = ERROR_MORE_DATA;
            else if ( *pcbBytesReturned != 0 ) *(LPDWORD) pOutBuffer = (DWORD) pRes->lPid;
            break;

        case CLUSCTL_RESOURCE_SET_NAME:
        {
            LPWSTR pszNew = ResUtilDupString( (LPCWSTR) pInBuffer );
            if ( pszNew == NULL ) {
                nStatus = GetLastError();
            } else {
                EnterCriticalSection( &pRes->csLock );
                LocalFree( pRes->pszResourceName );
                pRes->pszResourceName = pszNew;
                LeaveCriticalSection( &pRes->csLock );
            }
            break;
        }

        case CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES:
            nStatus = ResUtilEnumProperties( PortedResourcePrivateProperties, (LPWSTR) pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        case CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES:
            nStatus = ResUtilGetAllProperties( pRes->hkeyParameters, PortedResourcePrivateProperties, pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        case CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES:
            nStatus = ResUtilGetAllProperties( pRes->hkeyParameters, PortedResourceROPrivateProperties, pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        case CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES:
            nStatus = PortedValidatePrivateResProperties( pRes, pInBuffer, cbInBuffer, NULL );
            break;

        case CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES:
            nStatus = PortedSetPrivateResProperties( pRes, pInBuffer, cbInBuffer );
            break;

        case CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS:
            nStatus = ResUtilGetPropertyFormats( PortedResourcePrivateProperties, pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        default:
            nStatus = ERROR_INVALID_FUNCTION;
            break;
    }
    return nStatus;
}

DWORD WINAPI PortedResourceTypeControl( IN LPCWSTR pszResourceTypeName, IN DWORD nControlCode, IN PVOID pInBuffer,
    IN DWORD cbInBuffer, OUT PVOID pOutBuffer, IN DWORD cbOutBuffer, OUT LPDWORD pcbBytesReturned )
{
    DWORD   nStatus = ERROR_SUCCESS;
    DWORD   cbRequired = 0;

    UNREFERENCED_PARAMETER( pszResourceTypeName );
    UNREFERENCED_PARAMETER( pInBuffer );
    UNREFERENCED_PARAMETER( cbInBuffer );
    *pcbBytesReturned = 0;
    switch ( nControlCode ) {
        case CLUSCTL_RESOURCE_TYPE_UNKNOWN:
            break;

        case CLUSCTL_RESOURCE_TYPE_GET_CLASS_INFO:
        {
            PCLUS_RESOURCE_CLASS_INFO pci = (PCLUS_RESOURCE_CLASS_INFO) pOutBuffer;
            *pcbBytesReturned = sizeof( CLUS_RESOURCE_CLASS_INFO );
            if ( pci == NULL || cbOutBuffer < sizeof( CLUS_RESOURCE_CLASS_INFO ) ) {
                nStatus = ERROR_MORE_DATA;
            } else {
                pci->rc = CLUS_RESCLASS_USER;
                pci->SubClass = 0;
            }
            break;
        }

        case CLUSCTL_RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES:
            nStatus = PortedGetRequiredDependencies( pOutBuffer, cbOutBuffer, pcbBytesReturned );
            break;

        case CLUSCTL_RESOURCE_TYPE_ENUM_PRIVATE_PROPERTIES:
            nStatus = ResUtilEnumProperties( PortedResourcePrivateProperties, (LPWSTR) pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        case CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS:
            nStatus = ResUtilGetPropertyFormats( PortedResourcePrivateProperties, pOutBuffer, cbOutBuffer,
                pcbBytesReturned, &cbRequired );
            if ( nStatus == ERROR_MORE_DATA ) *pcbBytesReturned = cbRequired;
            break;

        default:
            nStatus = ERROR_INVALID_FUNCTION;
            break;
    }
    return nStatus;
}
