/*
 * A complete resource type in C: *Heartbeat*, a file that is touched again and again.
 *
 * It is written as the documentation of the Resource API tells, with the documented names, and compiles with
 *
 *   cc -shared -fPIC -fshort-wchar -pthread -I ../../resource/stead-resapi/include heartbeat.c -o heartbeat.so
 *
 * It shows the pattern that most types follow: Online starts a worker thread and returns ERROR_IO_PENDING, the worker
 * reports progress and then Online, Offline and Terminate end it, LooksAlive is cheap and IsAlive looks at the work.
 */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_PATH 4096

/* One instance. */
typedef struct HEARTBEAT {
    RESOURCE_HANDLE Handle;      /* for callbacks; valid from Open to Close */
    HKEY Parameters;             /* the private properties */
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    pthread_t Worker;
    BOOL Running;                /* there is a worker to join */
    BOOL Stop;                   /* it is to end */
    BOOL Beating;                /* it does its work */
    char Path[LONGEST_PATH];     /* UTF-8 */
    DWORD Interval;              /* milliseconds */
} HEARTBEAT;

static PSET_RESOURCE_STATUS_ROUTINE SetResourceStatus;
static PLOG_EVENT_ROUTINE LogEvent;

/* Properties are UTF-16, files are not. Returns FALSE if there is no such property, or it is too long. */
static BOOL ReadPath(HEARTBEAT *heartbeat)
{
    WCHAR wide[LONGEST_PATH / 3];
    DWORD size = sizeof(wide), type = 0;
    size_t out = 0;

    if (ClusterRegQueryValue(heartbeat->Parameters, L"Path", &type, (LPBYTE)wide, &size) != ERROR_SUCCESS ||
        type != REG_SZ) {
        return FALSE;
    }
    for (size_t i = 0; i < size / sizeof(WCHAR) && wide[i] != 0; i++) {
        DWORD c = wide[i];
        if (c >= 0xD800 && c < 0xDC00 && i + 1 < size / sizeof(WCHAR)) {
            c = 0x10000 + ((c - 0xD800) << 10) + (wide[++i] - 0xDC00);
        }
        if (c < 0x80) {
            heartbeat->Path[out++] = (char)c;
        } else if (c < 0x800) {
            heartbeat->Path[out++] = (char)(0xC0 | c >> 6);
            heartbeat->Path[out++] = (char)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            heartbeat->Path[out++] = (char)(0xE0 | c >> 12);
            heartbeat->Path[out++] = (char)(0x80 | (c >> 6 & 0x3F));
            heartbeat->Path[out++] = (char)(0x80 | (c & 0x3F));
        } else {
            heartbeat->Path[out++] = (char)(0xF0 | c >> 18);
            heartbeat->Path[out++] = (char)(0x80 | (c >> 12 & 0x3F));
            heartbeat->Path[out++] = (char)(0x80 | (c >> 6 & 0x3F));
            heartbeat->Path[out++] = (char)(0x80 | (c & 0x3F));
        }
    }
    heartbeat->Path[out] = 0;
    return out != 0;
}

static DWORD ReadNumber(HEARTBEAT *heartbeat, LPCWSTR name, DWORD otherwise)
{
    DWORD value = 0, size = sizeof(value), type = 0;
    DWORD status = ClusterRegQueryValue(heartbeat->Parameters, name, &type, (LPBYTE)&value, &size);
    return status == ERROR_SUCCESS && type == REG_DWORD ? value : otherwise;
}

static BOOL Touch(const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) return FALSE;
    fprintf(file, "%lld\n", (long long)time(NULL));
    return fclose(file) == 0;
}

/* Waits for the interval, or until the worker is to end. Returns TRUE if it is. The lock is held. */
static BOOL Rest(HEARTBEAT *heartbeat)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += heartbeat->Interval / 1000;
    until.tv_nsec += (long)(heartbeat->Interval % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000;
    }
    while (!heartbeat->Stop) {
        if (pthread_cond_timedwait(&heartbeat->Changed, &heartbeat->Lock, &until) != 0) break;
    }
    return heartbeat->Stop;
}

/* The worker: brings the resource online, says so, and goes on beating. */
static void *Work(void *context)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)context;
    RESOURCE_STATUS status;

    ResUtilInitializeResourceStatus(&status);
    status.ResourceState = ClusterResourceOnlinePending;

    /* Progress: the checkpoint rises with each report. The answer says whether to go on. */
    status.CheckPoint += 1;
    if (SetResourceStatus(heartbeat->Handle, &status) == ResourceExitStateTerminate) return NULL;

    status.CheckPoint += 1;
    if (!Touch(heartbeat->Path)) {
        LogEvent(heartbeat->Handle, LOG_ERROR, L"The file cannot be written.\n");
        status.ResourceState = ClusterResourceFailed;
        SetResourceStatus(heartbeat->Handle, &status);
        return NULL;
    }
    pthread_mutex_lock(&heartbeat->Lock);
    heartbeat->Beating = TRUE;
    pthread_mutex_unlock(&heartbeat->Lock);
    status.ResourceState = ClusterResourceOnline;
    SetResourceStatus(heartbeat->Handle, &status);

    pthread_mutex_lock(&heartbeat->Lock);
    while (!Rest(heartbeat) && heartbeat->Beating) {
        pthread_mutex_unlock(&heartbeat->Lock);
        BOOL written = Touch(heartbeat->Path);
        pthread_mutex_lock(&heartbeat->Lock);
        heartbeat->Beating = written;
    }
    heartbeat->Beating = FALSE;
    pthread_mutex_unlock(&heartbeat->Lock);
    return NULL;
}

/* Ends the worker and waits for it. It never waits long: the worker only writes a small file. */
static void End(HEARTBEAT *heartbeat)
{
    BOOL running;
    pthread_t worker;

    pthread_mutex_lock(&heartbeat->Lock);
    running = heartbeat->Running;
    worker = heartbeat->Worker;
    heartbeat->Running = FALSE;
    heartbeat->Stop = TRUE;
    pthread_cond_broadcast(&heartbeat->Changed);
    pthread_mutex_unlock(&heartbeat->Lock);
    if (running) pthread_join(worker, NULL);
}

/* Called once an instance. Nothing is started here, and nothing is checked that matters only online. */
static RESID WINAPI HeartbeatOpen(LPCWSTR ResourceName, HKEY ResourceKey, RESOURCE_HANDLE ResourceHandle)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)calloc(1, sizeof(HEARTBEAT));
    DWORD status;

    if (heartbeat == NULL) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return (RESID)NULL;
    }
    status = (DWORD)ClusterRegOpenKey(ResourceKey, L"Parameters", KEY_READ, &heartbeat->Parameters);
    if (status != ERROR_SUCCESS) {
        free(heartbeat);
        SetLastError(status);
        return (RESID)NULL;
    }
    heartbeat->Handle = ResourceHandle;
    pthread_mutex_init(&heartbeat->Lock, NULL);
    pthread_cond_init(&heartbeat->Changed, NULL);
    LogEvent(ResourceHandle, LOG_INFORMATION, L"%1!ws! is open.\n", ResourceName);
    return (RESID)heartbeat;
}

/* Called when the instance is no longer needed. Terminate has been called if anything may still run. */
static void WINAPI HeartbeatClose(RESID Resource)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    End(heartbeat);
    ClusterRegCloseKey(heartbeat->Parameters);
    pthread_cond_destroy(&heartbeat->Changed);
    pthread_mutex_destroy(&heartbeat->Lock);
    free(heartbeat);
}

/* Returns at once; the worker says when it is online. */
static DWORD WINAPI HeartbeatOnline(RESID Resource, PHANDLE EventHandle)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    UNREFERENCED_PARAMETER(EventHandle);

    End(heartbeat);
    if (!ReadPath(heartbeat)) {
        LogEvent(heartbeat->Handle, LOG_ERROR, L"The property Path is not set.\n");
        return ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR;
    }
    heartbeat->Interval = ReadNumber(heartbeat, L"Interval", 1000);
    heartbeat->Stop = FALSE;
    if (pthread_create(&heartbeat->Worker, NULL, Work, heartbeat) != 0) return ERROR_NO_SYSTEM_RESOURCES;
    heartbeat->Running = TRUE;
    return ERROR_IO_PENDING;
}

/* Stops in order: when it returns ERROR_SUCCESS nothing is left. */
static DWORD WINAPI HeartbeatOffline(RESID Resource)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    End(heartbeat);
    unlink(heartbeat->Path);
    return ERROR_SUCCESS;
}

/* Stops at once, whatever runs. May be called at any time, also twice. */
static void WINAPI HeartbeatTerminate(RESID Resource)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    End(heartbeat);
    if (heartbeat->Path[0] != 0) unlink(heartbeat->Path);
}

/* Cheap, and often. */
static BOOL WINAPI HeartbeatLooksAlive(RESID Resource)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    BOOL beating;
    pthread_mutex_lock(&heartbeat->Lock);
    beating = heartbeat->Beating;
    pthread_mutex_unlock(&heartbeat->Lock);
    return beating;
}

/* Thorough: looks at the work itself. */
static BOOL WINAPI HeartbeatIsAlive(RESID Resource)
{
    HEARTBEAT *heartbeat = (HEARTBEAT *)Resource;
    struct stat file;
    return HeartbeatLooksAlive(Resource) && stat(heartbeat->Path, &file) == 0;
}

static CLRES_V1_FUNCTION_TABLE(HeartbeatFunctionTable, CLRES_VERSION_V1_00, Heartbeat, NULL, NULL, NULL, NULL);

/* The one exported function. */
DWORD WINAPI Startup(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                     PSET_RESOURCE_STATUS_ROUTINE SetStatus, PLOG_EVENT_ROUTINE Log,
                     PCLRES_FUNCTION_TABLE *FunctionTable)
{
    if (_wcsicmp(ResourceType, L"Heartbeat") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    if (MinVersionSupported > CLRES_VERSION_V1_00 || MaxVersionSupported < CLRES_VERSION_V1_00) {
        return ERROR_REVISION_MISMATCH;
    }
    SetResourceStatus = SetStatus;
    LogEvent = Log;
    *FunctionTable = &HeartbeatFunctionTable;
    return ERROR_SUCCESS;
}
