/*
 * A resource DLL for tests of moves: it writes every call down with all that it was given, and does what files tell it,
 * so that one resource can behave differently on each node.
 *
 * The private property "Folder" names a folder, the environment variable STEAD_E2E_NODE the node. A call is a line of
 * the file FOLDER/calls: NODE RESOURCE CALL and its parameters. What a call does is in the file FOLDER/NODE/RESOURCE.CALL:
 *
 *   online    "fail N"   returns N
 *             "hold"     pending, until the file is gone
 *             "hang"     does not return
 *   offline   "delay N"  goes pending and reports Online with the flags N
 *             "fail N", "hold", "hang"
 *   lock      any        locked while it is online and the file is there
 *   fails     any        reports Failed while it is online
 *   context   any        when it is opened: it wants to be asked what is to go with a departure (CLUS_CHAR_OPERATION_CONTEXT),
 *                        and says the bytes beef, for the type "Recorder"
 */
#define _GNU_SOURCE
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES 256

enum { Nothing, GoesOnline, GoesOffline };

typedef struct RECORDER {
    RESOURCE_HANDLE Handle;
    char Name[NAMES];
    char Folder[NAMES];
    const char *Node;
    pthread_mutex_t Mutex;
    pthread_t Thread;
    int Pending;
    int Online;
    int Locked;
    int End;
} RECORDER;

static CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;

/* ASCII only, which is all that these tests have. */
static void Plain(const WCHAR *text, char *to)
{
    size_t i = 0;
    for (; text != NULL && text[i] != 0 && i < NAMES - 1; i++) to[i] = (char)text[i];
    to[i] = 0;
}

/* One write a line: the calls of all nodes are in one file, in the order of time. */
static void Say(const RECORDER *recorder, const char *call)
{
    char path[NAMES + 16], line[1024];
    int length = snprintf(line, sizeof(line), "%s %s %s\n", recorder->Node, recorder->Name, call);
    int file;
    snprintf(path, sizeof(path), "%s/calls", recorder->Folder);
    file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || write(file, line, (size_t)length) != length) abort();
    close(file);
}

/* What the file of a call says; nothing if there is none. */
static int Told(const RECORDER *recorder, const char *call, char *text, size_t size)
{
    char path[3 * NAMES];
    ssize_t length;
    int file;
    snprintf(path, sizeof(path), "%s/%s/%s.%s", recorder->Folder, recorder->Node, recorder->Name, call);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) { text[0] = 0; return 0; }
    length = read(file, text, size - 1);
    close(file);
    text[length < 0 ? 0 : length] = 0;
    return 1;
}

static void Buffer(PBYTE buffer, DWORD size, char *text)
{
    DWORD i;
    strcpy(text, buffer == NULL ? "none" : "");
    for (i = 0; buffer != NULL && i < size && i < 64; i++) sprintf(text + 2 * i, "%02x", buffer[i]);
}

static void Report(const RECORDER *recorder, CLUSTER_RESOURCE_STATE state, DWORD flags)
{
    RESOURCE_STATUS_EX report;
    ResUtilInitializeResourceStatusEx(&report);
    report.ResourceState = state;
    report.CheckPoint = 1;
    report.Flags = flags;
    g_Callbacks.SetResourceStatusEx(recorder->Handle, &report);
}

/* Looks at the files all the time, between Open and Close. */
static void *Watch(void *context)
{
    RECORDER *recorder = (RECORDER *)context;
    char text[64];
    for (;;) {
        CLUSTER_RESOURCE_STATE state = ClusterResourceStateUnknown;
        int end, lock = 0, locked;
        pthread_mutex_lock(&recorder->Mutex);
        end = recorder->End;
        if (recorder->Pending == GoesOnline && !Told(recorder, "online", text, sizeof(text))) {
            state = ClusterResourceOnline;
            recorder->Online = 1;
            recorder->Pending = Nothing;
        } else if (recorder->Pending == GoesOffline && !Told(recorder, "offline", text, sizeof(text))) {
            state = ClusterResourceOffline;
            recorder->Online = 0;
            recorder->Pending = Nothing;
        } else if (recorder->Online && Told(recorder, "fails", text, sizeof(text))) {
            state = ClusterResourceFailed;
            recorder->Online = 0;
        }
        locked = recorder->Online && Told(recorder, "lock", text, sizeof(text));
        if (recorder->Online && locked != recorder->Locked) {
            recorder->Locked = locked;
            lock = 1;
        }
        pthread_mutex_unlock(&recorder->Mutex);
        if (end) return NULL;
        if (state != ClusterResourceStateUnknown) Report(recorder, state, 0);
        if (lock) g_Callbacks.SetResourceLockedMode(recorder->Handle, locked, 0);
        usleep(10000);
    }
}

static void Become(RECORDER *recorder, int pending, int online)
{
    pthread_mutex_lock(&recorder->Mutex);
    recorder->Pending = pending;
    recorder->Online = online;
    if (!online) recorder->Locked = 0;
    pthread_mutex_unlock(&recorder->Mutex);
}

static RESID WINAPI RecordOpen(LPCWSTR name, HKEY key, RESOURCE_HANDLE handle, DWORD flags)
{
    RECORDER *recorder = (RECORDER *)calloc(1, sizeof(RECORDER));
    HKEY parameters = NULL;
    WCHAR folder[NAMES];
    DWORD size = sizeof(folder) - sizeof(WCHAR);
    (void)flags;
    memset(folder, 0, sizeof(folder));
    recorder->Handle = handle;
    recorder->Node = getenv("STEAD_E2E_NODE");
    if (recorder->Node == NULL) recorder->Node = "alone";
    Plain(name, recorder->Name);
    if (ClusterRegOpenKey(key, L"Parameters", KEY_READ, &parameters) != ERROR_SUCCESS ||
        ClusterRegQueryValue(parameters, L"Folder", NULL, (LPBYTE)folder, &size) != ERROR_SUCCESS) {
        free(recorder);
        SetLastError(ERROR_INVALID_DATA);
        return NULL;
    }
    ClusterRegCloseKey(parameters);
    Plain(folder, recorder->Folder);
    pthread_mutex_init(&recorder->Mutex, NULL);
    if (pthread_create(&recorder->Thread, NULL, Watch, recorder) != 0) abort();
    Say(recorder, "Open");
    return (RESID)recorder;
}

static void WINAPI RecordClose(RESID resource)
{
    RECORDER *recorder = (RECORDER *)resource;
    pthread_mutex_lock(&recorder->Mutex);
    recorder->End = 1;
    pthread_mutex_unlock(&recorder->Mutex);
    pthread_join(recorder->Thread, NULL);
    Say(recorder, "Close");
    free(recorder);
}

static DWORD WINAPI RecordOnline(RESID resource, LPHANDLE event, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    RECORDER *recorder = (RECORDER *)resource;
    char text[64], hex[200], line[400];
    (void)event; (void)reserved;
    Buffer(buffer, size, hex);
    snprintf(line, sizeof(line), "OnlineV2 flags=%#x buffer=%s", flags, hex);
    Say(recorder, line);
    if (Told(recorder, "online", text, sizeof(text))) {
        if (strncmp(text, "fail ", 5) == 0) return (DWORD)atoi(text + 5);
        if (strcmp(text, "hang") == 0) for (;;) pause();
        Become(recorder, GoesOnline, 0);
        return ERROR_IO_PENDING;
    }
    Become(recorder, Nothing, 1);
    return ERROR_SUCCESS;
}

static DWORD WINAPI RecordOffline(RESID resource, LPCWSTR node, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    RECORDER *recorder = (RECORDER *)resource;
    char text[64], hex[200], to[NAMES], line[800];
    (void)reserved;
    Buffer(buffer, size, hex);
    Plain(node, to);
    snprintf(line, sizeof(line), "OfflineV2 to=%s flags=%#x buffer=%s", node == NULL ? "none" : to, flags, hex);
    Say(recorder, line);
    if (Told(recorder, "offline", text, sizeof(text))) {
        if (strncmp(text, "fail ", 5) == 0) return (DWORD)atoi(text + 5);
        if (strcmp(text, "hang") == 0) for (;;) pause();
        if (strncmp(text, "delay ", 6) == 0) {
            Report(recorder, ClusterResourceOnline, (DWORD)atoi(text + 6));
            return ERROR_IO_PENDING;
        }
        Become(recorder, GoesOffline, 0);
        return ERROR_IO_PENDING;
    }
    Become(recorder, Nothing, 0);
    return ERROR_SUCCESS;
}

static void WINAPI RecordTerminate(RESID resource)
{
    Become((RECORDER *)resource, Nothing, 0);
    Say((RECORDER *)resource, "Terminate");
}

static BOOL WINAPI RecordLooksAlive(RESID resource) { (void)resource; return TRUE; }
static BOOL WINAPI RecordIsAlive(RESID resource) { (void)resource; return TRUE; }

static DWORD WINAPI RecordCancel(RESID resource, DWORD flags)
{
    (void)flags;
    Say((RECORDER *)resource, "Cancel");
    return ERROR_SUCCESS;
}

static BYTE *Put(BYTE *at, DWORD syntax, const void *data, DWORD size)
{
    memcpy(at, &syntax, sizeof(syntax));
    memcpy(at + 4, &size, sizeof(size));
    memset(at + 8, 0, (size + 3u) & ~3u);
    memcpy(at + 8, data, size);
    return at + 8 + ((size + 3u) & ~3u);
}

static DWORD WINAPI RecordControl(RESID resource, DWORD code, LPVOID in, DWORD insize, LPVOID out, DWORD outsize, LPDWORD returned)
{
    const RECORDER *recorder = (const RECORDER *)resource;
    const DWORD wants = CLUS_CHAR_OPERATION_CONTEXT, count = 2, flags = CLUSAPI_GROUP_MOVE_RETURN_TO_SOURCE_NODE_ON_ERROR;
    const DWORD endmark = CLUSPROP_SYNTAX_ENDMARK;
    const BYTE blob[] = { 0xbe, 0xef };
    const GET_OPERATION_CONTEXT_PARAMS *asked = (const GET_OPERATION_CONTEXT_PARAMS *)in;
    BYTE list[256], *at = list;
    char text[64], line[128];
    if (code == CLUSCTL_RESOURCE_GET_CHARACTERISTICS && Told(recorder, "context", text, sizeof(text))) {
        *returned = sizeof(wants);
        if (outsize < sizeof(wants)) return ERROR_MORE_DATA;
        memcpy(out, &wants, sizeof(wants));
        return ERROR_SUCCESS;
    }
    if (code != CLUSCTL_RESOURCE_GET_OPERATION_CONTEXT) return ERROR_INVALID_FUNCTION;
    if (insize != sizeof(*asked) || asked->Size != insize || asked->Version != CLUSCTL_GET_OPERATION_CONTEXT_PARAMS_VERSION_1) abort();
    snprintf(line, sizeof(line), "Context type=%d priority=%u", (int)asked->Type, (unsigned)asked->Priority);
    Say(recorder, line);
    memcpy(at, &count, sizeof(count));
    at = Put(at + 4, CLUSPROP_SYNTAX_NAME, L"Flags", sizeof(L"Flags"));
    at = Put(at, CLUSPROP_SYNTAX_LIST_VALUE_DWORD, &flags, sizeof(flags));
    memcpy(at, &endmark, sizeof(endmark));
    at = Put(at + 4, CLUSPROP_SYNTAX_NAME, L"Recorder", sizeof(L"Recorder"));
    at = Put(at, CLUSPROP_SYNTAX_LIST_VALUE_BINARY, blob, sizeof(blob));
    memcpy(at, &endmark, sizeof(endmark));
    at += 4;
    *returned = (DWORD)(at - list);
    if (outsize < *returned) return ERROR_MORE_DATA;
    memcpy(out, list, *returned);
    return ERROR_SUCCESS;
}

static CLRES_V2_FUNCTION_TABLE(g_Table, CLRES_VERSION_V2_00, Record, NULL, NULL, RecordControl, NULL, RecordCancel);

DWORD WINAPI StartupEx(LPCWSTR type, DWORD low, DWORD high, PCLRES_CALLBACK_FUNCTION_TABLE callbacks,
                       PCLRES_FUNCTION_TABLE *table)
{
    (void)low; (void)high;
    if (wcscmp(type, L"Recorder") != 0 && wcscmp(type, L"Other Recorder") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    g_Callbacks = *callbacks;
    *table = &g_Table;
    return ERROR_SUCCESS;
}
