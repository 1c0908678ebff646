/*
 * A resource type for tests of `stead verify`: it keeps every rule of the contract, but the one that the environment
 * variable FLAW names. Its workload is a process that sleeps.
 *
 * Private properties: Number (DWORD), Text (SZ), and Started (DWORD, read-only).
 */
#define _GNU_SOURCE
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM 4096
#define LONGEST_TEXT 64

typedef struct INSTANCE {
    RESOURCE_HANDLE Handle;
    HKEY Parameters;
    pthread_mutex_t Lock;
    pthread_t Worker;
    BOOL Running;     /* there is a worker to join */
    BOOL Stop;        /* it is to end */
    BOOL Terminated;  /* Terminate has been called once */
    BOOL Onlining;    /* the worker is one of Online */
    pid_t Child;
    int Watch;        /* the descriptor given out as event handle */
    int News;         /* a part of it, which tells of what may be harmless */
    int Process;      /* the other part */
    DWORD Number, Started, Asked;
    WCHAR Text[LONGEST_TEXT];
} INSTANCE;

extern char **environ;

static CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;
static RESOURCE_HANDLE g_LastHandle;
static int g_Inside;

static BOOL flaw(const char *name)
{
    const char *wanted = getenv("FLAW");
    return wanted != NULL && strcmp(wanted, name) == 0;
}

static DWORD report(INSTANCE *instance, int state, DWORD checkpoint, int event)
{
    RESOURCE_STATUS_EX status;
    memset(&status, 0, sizeof(status));
    status.ResourceState = state;
    status.CheckPoint = flaw("flat-checkpoint") ? 1 : checkpoint;
    status.EventHandle = (HANDLE)(intptr_t)event;
    return g_Callbacks.SetResourceStatusEx(flaw("global-handle") ? g_LastHandle : instance->Handle, &status);
}

/* Kills the workload and waits for its end. */
static void kill_child(INSTANCE *instance)
{
    siginfo_t ended;
    if (instance->Child > 0) {
        kill(instance->Child, SIGKILL);
        if (flaw("zombies")) waitid(P_PID, (id_t)instance->Child, &ended, WEXITED | WNOWAIT);
        else waitpid(instance->Child, NULL, 0);
    }
    instance->Child = 0;
    if (instance->Watch > 0) close(instance->Watch);
    if (instance->News > 0) close(instance->News);
    if (instance->Process > 0) close(instance->Process);
    instance->Watch = instance->News = instance->Process = 0;
}

/* An event handle that is readable when the process ends, and now, until IsAlive has looked. */
static int watch_news(INSTANCE *instance)
{
    struct epoll_event event = {.events = EPOLLIN};
    int watch = epoll_create1(EPOLL_CLOEXEC);
    instance->Process = (int)syscall(SYS_pidfd_open, instance->Child, 0);
    instance->News = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_ctl(watch, EPOLL_CTL_ADD, instance->Process, &event);
    epoll_ctl(watch, EPOLL_CTL_ADD, instance->News, &event);
    return watch;
}

static BOOL start_child(INSTANCE *instance)
{
    char *arguments[] = {"sleep", "1000", NULL};
    if (posix_spawnp(&instance->Child, "sleep", NULL, NULL, arguments, environ) != 0) return FALSE;
    if (flaw("quiet-event")) instance->Watch = eventfd(0, EFD_CLOEXEC);
    else if (flaw("news") || flaw("endless-news")) instance->Watch = watch_news(instance);
    else instance->Watch = (int)syscall(SYS_pidfd_open, instance->Child, 0);
    return TRUE;
}

static void *work_online(void *context)
{
    INSTANCE *instance = (INSTANCE *)context;
    BOOL stop, up;
    DWORD answer;

    if (flaw("null-status")) g_Callbacks.SetResourceStatusEx(instance->Handle, NULL);
    answer = report(instance, flaw("wrong-direction") ? ClusterResourceOfflinePending : ClusterResourceOnlinePending, 1, 0);
    if (answer == ResourceExitStateTerminate && !flaw("deaf")) return NULL;
    if (flaw("outlives-terminate")) usleep(100000);
    pthread_mutex_lock(&instance->Lock);
    stop = instance->Stop;
    up = !stop && start_child(instance);
    pthread_mutex_unlock(&instance->Lock);
    if (stop) {
        if (flaw("outlives-terminate")) report(instance, ClusterResourceOnlinePending, 0, 0);
        return NULL;
    }
    answer = report(instance, ClusterResourceOnlinePending, 2, 0);
    if (answer == ResourceExitStateTerminate && !flaw("deaf")) return NULL;
    report(instance, up ? ClusterResourceOnline : ClusterResourceFailed, 3, flaw("closed-event") ? 987 : instance->Watch);
    if (flaw("chatty")) report(instance, ClusterResourceOnline, 4, instance->Watch);
    return NULL;
}

static void *work_offline(void *context)
{
    INSTANCE *instance = (INSTANCE *)context;
    report(instance, ClusterResourceOfflinePending, 1, 0);
    pthread_mutex_lock(&instance->Lock);
    if (!flaw("offline-leaves")) kill_child(instance);
    pthread_mutex_unlock(&instance->Lock);
    report(instance, ClusterResourceOffline, 2, 0);
    return NULL;
}

/* Ends the worker and waits for it. */
static void end_worker(INSTANCE *instance)
{
    pthread_t worker;
    BOOL running;

    pthread_mutex_lock(&instance->Lock);
    running = instance->Running;
    worker = instance->Worker;
    instance->Running = FALSE;
    instance->Stop = TRUE;
    pthread_mutex_unlock(&instance->Lock);
    if (running) pthread_join(worker, NULL);
}

static void *nothing(void *context) { return context; }

static void *forever(void *context)
{
    for (;;) pause();
    return context;
}

static DWORD start_worker(INSTANCE *instance, void *(*work)(void *))
{
    DWORD status = ERROR_IO_PENDING;
    end_worker(instance);
    pthread_mutex_lock(&instance->Lock);
    instance->Stop = FALSE;
    if (pthread_create(&instance->Worker, NULL, work, instance) != 0) status = ERROR_NO_SYSTEM_RESOURCES;
    else instance->Running = TRUE;
    pthread_mutex_unlock(&instance->Lock);
    return status;
}

static RESID WINAPI FlawedOpen(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle, DWORD Flags)
{
    INSTANCE *instance = (INSTANCE *)calloc(1, sizeof(INSTANCE));
    DWORD size = sizeof(instance->Text) - sizeof(WCHAR), type = 0;
    LONG status;

    UNREFERENCED_PARAMETER(Name);
    UNREFERENCED_PARAMETER(Flags);
    if (flaw("leaky-open")) *(volatile char *)malloc(200) = 1;
    status = ClusterRegOpenKey(Key, L"Parameters", KEY_READ, &instance->Parameters);
    if (status != ERROR_SUCCESS) {
        free(instance);
        if (!flaw("silent-open")) SetLastError((DWORD)status);
        return NULL;
    }
    instance->Handle = Handle;
    g_LastHandle = Handle;
    pthread_mutex_init(&instance->Lock, NULL);
    status = (LONG)ClusterRegQueryValue(instance->Parameters, L"Text", &type, (LPBYTE)instance->Text, &size);
    if (status != ERROR_SUCCESS && flaw("picky-open")) {
        ClusterRegCloseKey(instance->Parameters);
        free(instance);
        SetLastError(ERROR_FILE_NOT_FOUND);
        return NULL;
    }
    size = sizeof(instance->Number);
    ClusterRegQueryValue(instance->Parameters, L"Number", &type, (LPBYTE)&instance->Number, &size);
    g_Callbacks.LogEvent(Handle, flaw("log-level") ? 9 : LOG_INFORMATION, L"open\n");
    return (RESID)instance;
}

static void *late(void *context)
{
    usleep(30000);
    g_Callbacks.LogEvent((RESOURCE_HANDLE)context, LOG_INFORMATION, L"still here\n");
    return NULL;
}

static void WINAPI FlawedClose(RESID Resource)
{
    INSTANCE *instance = (INSTANCE *)Resource;
    static BOOL started;
    pthread_t thread;

    end_worker(instance);
    if (!flaw("close-leaves")) kill_child(instance);
    ClusterRegCloseKey(instance->Parameters);
    if (flaw("stale-key")) ClusterRegCloseKey(instance->Parameters);
    if (flaw("late-log") && pthread_create(&thread, NULL, late, instance->Handle) == 0) pthread_detach(thread);
    if (flaw("stays-inside") && !started && pthread_create(&thread, NULL, forever, NULL) == 0) {
        started = TRUE;
        pthread_detach(thread);
    }
    pthread_mutex_destroy(&instance->Lock);
    free(instance);
}

static DWORD WINAPI FlawedOnline(RESID Resource, PHANDLE Event, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    INSTANCE *instance = (INSTANCE *)Resource;
    pthread_t thread;

    UNREFERENCED_PARAMETER(Event);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    if (flaw("picky-online") && (Flags & ~0x1fu) != 0) return ERROR_INVALID_PARAMETER;
    if (flaw("online-once") && instance->Terminated) return ERROR_RESOURCE_FAILED;
    if (flaw("slow-online")) usleep(450000);
    if (flaw("one-at-a-time")) {
        if (__sync_add_and_fetch(&g_Inside, 1) > 1) abort();
        usleep(2000);
        __sync_sub_and_fetch(&g_Inside, 1);
    }
    if (flaw("moves-away")) (void)!chdir("/proc");
    if (flaw("takes-all")) umask(0777);
    if (flaw("no-more-files")) { struct rlimit none = {64, 64}; setrlimit(RLIMIT_NOFILE, &none); }
    if (flaw("deaf-process")) signal(SIGTERM, SIG_IGN);
    if (flaw("forged-log")) g_Callbacks.LogEvent((RESOURCE_HANDLE)(intptr_t)0x7777, LOG_INFORMATION, L"forged\n");
    if (flaw("kills-parent")) { kill(getppid(), SIGTERM); kill(getppid(), SIGINT); }
    if (flaw("leaky-online")) *(volatile char *)malloc(100) = 1;
    if (flaw("leaky-descriptor")) { int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); (void)fd; }
    if (flaw("unjoined")) pthread_create(&thread, NULL, nothing, NULL);
    end_worker(instance);
    kill_child(instance);
    if (flaw("no-report")) return ERROR_IO_PENDING;
    instance->Onlining = TRUE;
    return start_worker(instance, work_online);
}

static DWORD WINAPI FlawedOffline(RESID Resource, LPCWSTR Node, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    if (flaw("picky-offline") && (Flags & ~0x7fu) != 0) return ERROR_INVALID_PARAMETER;
    if (flaw("no-destination") && Node != NULL) return ERROR_NOT_SUPPORTED;
    if (flaw("exit-offline")) exit(3);
    ((INSTANCE *)Resource)->Onlining = FALSE;
    return start_worker((INSTANCE *)Resource, work_offline);
}

static void WINAPI FlawedTerminate(RESID Resource)
{
    INSTANCE *instance = (INSTANCE *)Resource;
    if (flaw("stuck-terminate") && instance->Child > 0) forever(NULL);
    instance->Terminated = TRUE;
    if (flaw("outlives-terminate") && instance->Onlining) {
        pthread_mutex_lock(&instance->Lock);
        instance->Stop = TRUE;
        kill_child(instance);
        pthread_mutex_unlock(&instance->Lock);
        return;
    }
    end_worker(instance);
    if (!flaw("terminate-leaves")) kill_child(instance);
}

static BOOL alive(INSTANCE *instance)
{
    siginfo_t ended;
    BOOL up;
    pthread_mutex_lock(&instance->Lock);
    memset(&ended, 0, sizeof(ended));
    up = instance->Child > 0 &&
         waitid(P_PID, (id_t)instance->Child, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
    pthread_mutex_unlock(&instance->Lock);
    return up;
}

static BOOL WINAPI FlawedLooksAlive(RESID Resource)
{
    if (flaw("slow-looks")) usleep(90000);
    return flaw("always-alive") || flaw("looks-alive") || alive((INSTANCE *)Resource);
}

static BOOL WINAPI FlawedIsAlive(RESID Resource)
{
    if (flaw("crash")) *(volatile int *)NULL = 1;
    if (flaw("never-alive")) return FALSE;
    if (flaw("news") && ((INSTANCE *)Resource)->News > 0) {
        uint64_t count;
        (void)!read(((INSTANCE *)Resource)->News, &count, sizeof(count));
    }
    return flaw("always-alive") || alive((INSTANCE *)Resource);
}

/* Property lists. */

typedef struct LIST { BYTE Bytes[ROOM]; DWORD Size; } LIST;

static void put(LIST *list, const void *bytes, DWORD size)
{
    memcpy(list->Bytes + list->Size, bytes, size);
    list->Size += size;
    while (list->Size % 4 != 0) list->Bytes[list->Size++] = 0;
}

static void put_word(LIST *list, DWORD word) { put(list, &word, sizeof(word)); }

static DWORD wide_size(const WCHAR *text)
{
    DWORD units = 0;
    while (text[units] != 0) units++;
    return (units + 1) * (DWORD)sizeof(WCHAR);
}

static void put_name(LIST *list, const WCHAR *name)
{
    put_word(list, 0x00040003);
    put_word(list, wide_size(name));
    put(list, name, wide_size(name));
}

static void put_number(LIST *list, const WCHAR *name, DWORD number)
{
    put_name(list, name);
    put_word(list, 0x00010002);
    put_word(list, 4);
    put_word(list, number);
    put_word(list, 0);
}

static void put_text(LIST *list, const WCHAR *name, const WCHAR *text)
{
    put_name(list, name);
    put_word(list, 0x00010003);
    put_word(list, wide_size(text));
    put(list, text, wide_size(text));
    put_word(list, 0);
}

static BOOL get_word(const BYTE *in, DWORD size, DWORD *at, DWORD *word)
{
    if (size < 4 || *at > size - 4) return FALSE;
    memcpy(word, in + *at, 4);
    *at += 4;
    return TRUE;
}

/* Reads a list. `into` is changed only if all of it is good. */
static DWORD read_list(INSTANCE *into, const BYTE *in, DWORD size, BOOL change)
{
    DWORD count, at = 0, number = into->Number;
    WCHAR text[LONGEST_TEXT];

    memcpy(text, into->Text, sizeof(text));
    if (!get_word(in, size, &at, &count)) return ERROR_INVALID_DATA;
    while (count-- > 0) {
        DWORD syntax, length, name;
        if (!get_word(in, size, &at, &syntax) || syntax != 0x00040003) return ERROR_INVALID_DATA;
        if (!get_word(in, size, &at, &length) || length > size - at) return ERROR_INVALID_DATA;
        name = at;
        at += (length + 3) & ~3u;
        for (;;) {
            DWORD value;
            if (!get_word(in, size, &at, &syntax)) return ERROR_INVALID_DATA;
            if (syntax == 0) break;
            if (!get_word(in, size, &at, &length) || at > size || length > size - at) return ERROR_INVALID_DATA;
            value = at;
            at += (length + 3) & ~3u;
            if (memcmp(in + name, L"Number", sizeof(L"Number")) == 0) {
                if (syntax != 0x00010002 || length != 4) {
                    if (flaw("any-format")) continue;
                    return ERROR_INVALID_DATA;
                }
                memcpy(&number, in + value, 4);
            } else if (memcmp(in + name, L"Text", sizeof(L"Text")) == 0) {
                if (syntax != 0x00010003 || length > sizeof(text)) {
                    if (flaw("any-format")) continue;
                    return ERROR_INVALID_DATA;
                }
                memcpy(text, in + value, length);
            } else if (!(flaw("open-read-only") && memcmp(in + name, L"Started", sizeof(L"Started")) == 0)) {
                return ERROR_INVALID_PARAMETER;
            }
        }
    }
    if (change && !flaw("forgets")) {
        into->Number = number;
        memcpy(into->Text, text, sizeof(text));
    }
    return ERROR_SUCCESS;
}

static DWORD hand_out(const void *bytes, DWORD size, PVOID Out, DWORD OutSize, LPDWORD Returned)
{
    *Returned = size;
    if (OutSize < size) {
        if (flaw("overrun") && Out != NULL) memcpy(Out, bytes, size);
        return flaw("wrong-answer") ? ERROR_INSUFFICIENT_BUFFER : ERROR_MORE_DATA;
    }
    memcpy(Out, bytes, size);
    return ERROR_SUCCESS;
}

static void *write_late(void *context)
{
    usleep(50000);
    *(volatile BYTE *)context = 0x41;
    return NULL;
}

/* Returns a class at once, and changes its mind. */
static DWORD late_class(PVOID Out, DWORD OutSize, LPDWORD Returned)
{
    static const BYTE class[8];
    DWORD status = hand_out(class, sizeof(class), Out, OutSize, Returned);
    pthread_t thread;
    if (status == ERROR_SUCCESS && pthread_create(&thread, NULL, write_late, Out) == 0) pthread_detach(thread);
    return status;
}

static void formats(LIST *list)
{
    put_word(list, 2);
    put_number(list, L"Number", CLUSPROP_FORMAT_DWORD);
    put_number(list, L"Text", CLUSPROP_FORMAT_SZ);
}

static DWORD WINAPI FlawedControl(RESID Resource, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize,
                                  LPDWORD Returned)
{
    static const WCHAR both[] = L"Number\0Text\0", one[] = L"Number\0";
    INSTANCE *instance = (INSTANCE *)Resource;
    LIST list = {.Size = 0};
    DWORD status;

    *Returned = 0;
    switch (Code) {
    case CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES:
        if (flaw("half-enum")) return hand_out(one, sizeof(one), Out, OutSize, Returned);
        return hand_out(both, sizeof(both), Out, OutSize, Returned);
    case CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES:
        put_word(&list, 2);
        put_number(&list, L"Number", instance->Number);
        put_text(&list, L"Text", instance->Text);
        return hand_out(list.Bytes, list.Size, Out, OutSize, Returned);
    case CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES:
        put_word(&list, 1);
        put_number(&list, L"Started", instance->Started);
        return hand_out(list.Bytes, list.Size, Out, OutSize, Returned);
    case CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS:
        formats(&list);
        return hand_out(list.Bytes, list.Size, Out, OutSize, Returned);
    case CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES:
        status = read_list(instance, In, InSize, FALSE);
        if (status == ERROR_INVALID_DATA && InSize < 8 && flaw("any-list")) return ERROR_SUCCESS;
        return status;
    case CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES:
        return read_list(instance, In, InSize, TRUE);
    case CLUSCTL_RESOURCE_GET_CLASS_INFO:
        return flaw("late-write") ? late_class(Out, OutSize, Returned) : ERROR_INVALID_FUNCTION;
    case CLUSCTL_RESOURCE_QUERY_DELETE:
        if (flaw("deletes-when-asked")) kill_child(instance);
        if (flaw("forgets-when-asked")) instance->Number++;
        if (flaw("hangs-when-asked")) forever(NULL);
        if (flaw("pending-when-asked")) return ERROR_IO_PENDING;
        if (flaw("undecided")) return instance->Asked++ % 2 == 0 ? ERROR_SUCCESS : ERROR_ACCESS_DENIED;
        return ERROR_INVALID_FUNCTION;
    default:
        return flaw("knows-all") ? ERROR_SUCCESS : ERROR_INVALID_FUNCTION;
    }
}

static DWORD WINAPI FlawedTypeControl(LPCWSTR Type, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize,
                                      LPDWORD Returned)
{
    LIST list = {.Size = 0};
    UNREFERENCED_PARAMETER(Type);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(InSize);
    *Returned = 0;
    if (Code != CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS) return ERROR_INVALID_FUNCTION;
    formats(&list);
    return hand_out(list.Bytes, list.Size, Out, OutSize, Returned);
}

/* The asynchronous form, which goes on and ends; or does not. */
static DWORD WINAPI FlawedBegin(RESID Resource, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize,
                                LPDWORD Returned, INT64 Context, BOOL *Asynchronously)
{
    DWORD status = FlawedControl(Resource, Code, In, InSize, Out, OutSize, Returned);
    if (status != ERROR_SUCCESS) return status;
    *Asynchronously = TRUE;
    if (!flaw("endless-control")) g_Callbacks.EndControlCall(Context, ERROR_SUCCESS);
    return ERROR_SUCCESS;
}

static DWORD WINAPI FlawedCancel(RESID Resource, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(Resource);
    UNREFERENCED_PARAMETER(Reserved);
    return ERROR_SUCCESS;
}

static DWORD WINAPI FlawedRelease(RESID Resource)
{
    UNREFERENCED_PARAMETER(Resource);
    return ERROR_SUCCESS;
}

DWORD WINAPI StartupEx(LPCWSTR Type, DWORD Min, DWORD Max, PCLRES_CALLBACK_FUNCTION_TABLE Callbacks,
                       PCLRES_FUNCTION_TABLE *Table)
{
    static CLRES_FUNCTION_TABLE table;
    DWORD version = flaw("endless-control") || flaw("asynchronous") ? CLRES_VERSION_V3_00 : CLRES_VERSION_V2_00;

    if (!flaw("any-type") && _wcsicmp(Type, L"Flawed") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    if (!flaw("any-version") && (Min > version || Max < version)) return ERROR_REVISION_MISMATCH;
    memset(&table, 0, sizeof(table));
    table.Version = version;
    table.TableSize = flaw("short-table") ? 80 : (DWORD)sizeof(CLRES_V2_FUNCTIONS);
    table.V2Functions.Open = FlawedOpen;
    table.V2Functions.Close = FlawedClose;
    table.V2Functions.Online = FlawedOnline;
    table.V2Functions.Offline = FlawedOffline;
    table.V2Functions.Terminate = FlawedTerminate;
    table.V2Functions.LooksAlive = FlawedLooksAlive;
    table.V2Functions.IsAlive = flaw("no-is-alive") ? NULL : FlawedIsAlive;
    table.V2Functions.Release = flaw("half-quorum") ? FlawedRelease : NULL;
    table.V2Functions.Cancel = FlawedCancel;
    if (version == CLRES_VERSION_V3_00) {
        table.V3Functions.BeginResourceControl = FlawedBegin;
    } else {
        table.V2Functions.ResourceControl = FlawedControl;
        table.V2Functions.ResourceTypeControl = FlawedTypeControl;
    }
    g_Callbacks = *Callbacks;
    *Table = &table;
    return ERROR_SUCCESS;
}
