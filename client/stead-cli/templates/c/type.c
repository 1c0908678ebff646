/* @TYPE@: a resource type. As it stands it touches a file again and again; put your own work where Work() does that. */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>
#include <stdio.h>
#include <unistd.h>

typedef struct PARAMETERS { LPWSTR Path; DWORD Interval; } PARAMETERS;
static RESUTIL_PROPERTY_ITEM Properties[] = { /* name, key, format, default, minimum, maximum, flags, offset */
    { (LPWSTR)L"Path", NULL, CLUSPROP_FORMAT_SZ, { 0 }, 0, 0, RESUTIL_PROPITEM_REQUIRED, offsetof(PARAMETERS, Path) },
    { (LPWSTR)L"Interval", NULL, CLUSPROP_FORMAT_DWORD, { 1000 }, 10, 3600000, 0, offsetof(PARAMETERS, Interval) },
    { NULL, NULL, 0, { 0 }, 0, 0, 0, 0 },
};
typedef struct RESOURCE {
    RESOURCE_HANDLE Handle;  /* for callbacks; valid from Open to Close */
    HKEY Key;                /* of the private properties */
    PARAMETERS Settings;     /* as they were at the last Online */
    CLUS_WORKER Worker;
    LONG Alive;
    char Path[4096];         /* UTF-8 */
} RESOURCE;
static PSET_RESOURCE_STATUS_ROUTINE SetResourceStatus;
static PLOG_EVENT_ROUTINE LogEvent;

static BOOL Touch(const char *Path) { FILE *file = fopen(Path, "w"); return file != NULL && fclose(file) == 0; }

static DWORD WINAPI Work(PCLUS_WORKER Worker, LPVOID Context) {  /* brings the resource online, and does its work */
    RESOURCE *resource = Context;
    RESOURCE_STATUS status;
    BOOL serves = Touch(resource->Path);
    ResUtilInitializeResourceStatus(&status);
    if (!serves) LogEvent(resource->Handle, LOG_ERROR, L"%1!ws! cannot be written.\n", resource->Settings.Path);
    InterlockedExchange(&resource->Alive, serves);
    status.ResourceState = serves ? ClusterResourceOnline : ClusterResourceFailed;
    SetResourceStatus(resource->Handle, &status);
    for (DWORD waited = 0; serves && !ClusWorkerCheckTerminate(Worker); waited += 10, Sleep(10))
        if (waited >= resource->Settings.Interval) { serves = Touch(resource->Path); waited = 0; }
    InterlockedExchange(&resource->Alive, FALSE);
    return ERROR_SUCCESS;
}
static void WINAPI @PREFIX@Terminate(RESID Id) {  /* at any moment, also twice; leaves nothing behind */
    RESOURCE *resource = Id;
    ClusWorkerTerminate(&resource->Worker);
    if (resource->Path[0] != 0) unlink(resource->Path);
}
static DWORD WINAPI @PREFIX@Offline(RESID Id) { @PREFIX@Terminate(Id); return ERROR_SUCCESS; }

static RESID WINAPI @PREFIX@Open(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle) {
    RESOURCE *resource = LocalAlloc(LPTR, sizeof(*resource));
    LONG code = resource == NULL ? ERROR_NOT_ENOUGH_MEMORY : ClusterRegOpenKey(Key, L"Parameters", KEY_ALL_ACCESS, &resource->Key);
    UNREFERENCED_PARAMETER(Name);
    if (code == ERROR_SUCCESS) { resource->Handle = Handle; return resource; }
    LocalFree(resource);
    SetLastError((DWORD)code);
    return NULL;
}
static void WINAPI @PREFIX@Close(RESID Id) {
    RESOURCE *resource = Id;
    @PREFIX@Terminate(Id);
    ResUtilFreeParameterBlock((LPBYTE)&resource->Settings, NULL, Properties);
    ClusterRegCloseKey(resource->Key);
    LocalFree(resource);
}
static DWORD WINAPI @PREFIX@Online(RESID Id, PHANDLE EventHandle) {  /* returns at once; Work() reports */
    RESOURCE *resource = Id;
    LPWSTR wrong = NULL;
    DWORD code = ResUtilGetPropertiesToParameterBlock(resource->Key, Properties, (LPBYTE)&resource->Settings, TRUE, &wrong);
    UNREFERENCED_PARAMETER(EventHandle);
    if (code != ERROR_SUCCESS) {
        LogEvent(resource->Handle, LOG_ERROR, L"Property %1!ws! is missing or wrong.\n", wrong);
        return code;
    }
    WideCharToMultiByte(CP_UTF8, 0, resource->Settings.Path, -1, resource->Path, sizeof(resource->Path), NULL, NULL);
    ClusWorkerTerminate(&resource->Worker);
    code = ClusWorkerCreate(&resource->Worker, Work, resource);
    return code == ERROR_SUCCESS ? ERROR_IO_PENDING : code;
}
static BOOL WINAPI @PREFIX@LooksAlive(RESID Id) { return InterlockedCompareExchange(&((RESOURCE *)Id)->Alive, 0, 0); }
static BOOL WINAPI @PREFIX@IsAlive(RESID Id) { return @PREFIX@LooksAlive(Id) && access(((RESOURCE *)Id)->Path, F_OK) == 0; }

static DWORD WINAPI @PREFIX@Control(RESID Id, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize, LPDWORD Returned) {
    UNREFERENCED_PARAMETER(Id); UNREFERENCED_PARAMETER(Out); UNREFERENCED_PARAMETER(OutSize); UNREFERENCED_PARAMETER(Returned);
    if (Code != CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES) return ERROR_INVALID_FUNCTION;  /* the monitor does the rest */
    return ResUtilVerifyPropertyTable(Properties, NULL, FALSE, In, InSize, NULL);
}
static DWORD WINAPI @PREFIX@TypeControl(LPCWSTR Type, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize, LPDWORD Returned) {
    UNREFERENCED_PARAMETER(Type); UNREFERENCED_PARAMETER(In); UNREFERENCED_PARAMETER(InSize);
    if (Code != CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS) return ERROR_INVALID_FUNCTION;
    return ResUtilGetPropertyFormats(Properties, Out, OutSize, Returned, Returned);
}
static CLRES_V1_FUNCTION_TABLE(Table, CLRES_VERSION_V1_00, @PREFIX@, NULL, NULL, @PREFIX@Control, @PREFIX@TypeControl);

DWORD WINAPI Startup(LPCWSTR Type, DWORD Min, DWORD Max, PSET_RESOURCE_STATUS_ROUTINE Status, PLOG_EVENT_ROUTINE Log, PCLRES_FUNCTION_TABLE *Functions) {
    if (_wcsicmp(Type, L"@TYPE@") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    if (Min > CLRES_VERSION_V1_00 || Max < CLRES_VERSION_V1_00) return ERROR_REVISION_MISMATCH;
    SetResourceStatus = Status; LogEvent = Log; *Functions = &Table;
    return ERROR_SUCCESS;
}
