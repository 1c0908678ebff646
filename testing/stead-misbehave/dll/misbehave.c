/* The part that behaves well, the table of behaviours, and the entry points. */
#include "misbehave.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static const struct behaviour g_Behaviours[] = {
    {"null-deref-in-online", ON_ONLINE, null_deref},
    {"abort-in-is-alive", ON_IS_ALIVE, abort_now},
    {"stack-overflow-in-online", ON_ONLINE, overflow_stack},
    {"exit-in-offline", ON_OFFLINE, exit_now},
    {"exit-from-a-thread", ON_ONLINE, exit_from_thread},
    {"heap-smash-in-online", ON_ONLINE, smash_heap},
    {"free-a-handle", ON_ONLINE, free_handle},
    {"close-keys-twice", ON_ONLINE, close_keys_twice},
    {"block-in-open", ON_OPEN, block},
    {"block-in-online", ON_ONLINE, block},
    {"block-in-offline", ON_OFFLINE, block},
    {"block-in-terminate", ON_TERMINATE, block},
    {"block-in-close", ON_CLOSE, block},
    {"block-in-looks-alive", ON_LOOKS_ALIVE, block},
    {"block-in-is-alive", ON_IS_ALIVE, block},
    {"spin-in-online", ON_ONLINE, spin},
    {"pthread-exit-in-online", ON_ONLINE, leave_thread},
    {"longjmp-out-of-online", ON_ONLINE, jump_out},
    {"throw-out-of-online", ON_ONLINE, throw_out},
    {"pending-in-silence", ON_ONLINE, pending_silent},
    {"pending-for-ever", ON_ONLINE, pending_for_ever},
    {"online-before-return", ON_ONLINE, report_early},
    {"contradicting-reports", ON_ONLINE, report_twice},
    {"nonsense-reports", ON_ONLINE, report_nonsense},
    {"nonsense-log-lines", ON_ONLINE, log_nonsense},
    {"callback-storm", ON_ONLINE, storm},
    {"report-after-close", ON_CLOSE, report_after_close},
    {"thread-outlives-close", ON_ONLINE, call_for_ever},
    {"waits-for-itself", ON_ONLINE, wait_for_self},
    {"terminate-beside-online", ON_ONLINE, block_until_terminated},
    {"counts-its-calls", ON_ONLINE, count_calls},
    {"daemon-by-double-fork", ON_ONLINE, daemonise},
    {"fork-and-return-in-both", ON_ONLINE, fork_both},
    {"fork-bomb", ON_ONLINE, fork_bomb},
    {"leave-the-cgroup", ON_ONLINE, leave_cgroup},
    {"deaf-child", ON_ONLINE, deaf_child},
    {"trace-and-stop-siblings", ON_ONLINE, trace_siblings},
    {"raise-sigstop", ON_ONLINE, stop_self},
    {"kill-everything", ON_ONLINE, kill_everything},
    {"close-all-descriptors", ON_ONLINE, close_everything},
    {"garbage-into-all-descriptors", ON_ONLINE, garbage_everywhere},
    {"cover-the-link", ON_ONLINE, cover_link},
    {"read-others-messages", ON_ONLINE, steal_messages},
    {"many-descriptors", ON_ONLINE, many_descriptors},
    {"memory-leak", ON_ONLINE, leak_memory},
    {"lock-memory", ON_ONLINE, lock_memory},
    {"flood-of-output", ON_ONLINE, flood_output},
    {"fill-the-disk", ON_ONLINE, fill_disk},
    {"change-the-process", ON_ONLINE, change_process},
    {"swallow-faults", ON_ONLINE, swallow_faults},
    {"block-all-signals", ON_ONLINE, block_signals},
    {"grab-the-socket", ON_ONLINE, grab_socket},
    {"change-the-clock", ON_ONLINE, change_clock},
    {"restart-the-machine", ON_ONLINE, restart_machine},
    {"lie-about-online", ON_ONLINE, lie},
    {"offline-with-living-process", ON_OFFLINE, keep_process},
    {"nonsense-lists", ON_CONTROL, nonsense_lists},
    {"write-past-the-buffer", ON_CONTROL, write_past_buffer},
    {"write-after-return", ON_CONTROL, write_late},
    {"hang-at-exit", ON_ONLINE, hang_at_exit},
};

CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;
volatile int *volatile g_Nowhere = (volatile int *)16;

/* True in the monitor that only checks configurations: what is hostile there has tests of its own. */
static int g_Checking;

void hang(void)
{
    for (;;) pause();
}

void nap(unsigned milliseconds)
{
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

pid_t child(struct resource *resource)
{
    char *arguments[] = {"sleep", "infinity", NULL};
    pid_t process = 0;
    (void)resource;
    return posix_spawn(&process, "/bin/sleep", NULL, NULL, arguments, environ) == 0 ? process : 0;
}

DWORD report(RESOURCE_HANDLE handle, LONG state, DWORD checkpoint)
{
    RESOURCE_STATUS_EX status;
    ResUtilInitializeResourceStatusEx(&status);
    status.ResourceState = (CLUSTER_RESOURCE_STATE)state;
    status.CheckPoint = checkpoint;
    return g_Callbacks.SetResourceStatusEx(handle, &status);
}

void say(struct resource *resource, const WCHAR *text)
{
    g_Callbacks.LogEvent(resource->Handle, LOG_WARNING, L"%1!ws!\n", text);
}

void aside(struct resource *resource, void *(*thread)(void *))
{
    pthread_t made;
    if (pthread_create(&made, NULL, thread, resource) != 0) return;
    resource->Aside = 1;
    pthread_detach(made);
}

static void property(struct resource *resource, LPCWSTR name, char *text, size_t room)
{
    WCHAR wide[512];
    DWORD size = sizeof(wide) - sizeof(WCHAR);
    size_t at = 0;
    memset(wide, 0, sizeof(wide));
    if (ClusterRegQueryValue(resource->Parameters, name, NULL, (LPBYTE)wide, &size) != ERROR_SUCCESS) wide[0] = 0;
    for (; wide[at] != 0 && at + 1 < room; at++) text[at] = (char)wide[at];
    text[at] = 0;
}

static DWORD act(struct resource *resource, enum entry entry)
{
    const struct behaviour *behaviour = resource->Behaviour;
    if (g_Checking || behaviour == NULL || behaviour->Entry != entry) return GO_ON;
    return behaviour->Act(resource);
}

#ifdef WITH_DEPENDENCY
extern int dependency_version(void);
#endif

static RESID WINAPI MisbehaveOpen(LPCWSTR name, HKEY key, RESOURCE_HANDLE handle, DWORD flags)
{
    struct resource *resource = (struct resource *)calloc(1, sizeof(struct resource));
    char wanted[64];
    (void)name;
    (void)flags;
    resource->Handle = handle;
    resource->Key = key;
    if (ClusterRegOpenKey(key, L"Parameters", KEY_READ, &resource->Parameters) != ERROR_SUCCESS) {
        free(resource);
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    property(resource, L"Behaviour", wanted, sizeof(wanted));
    property(resource, L"File", resource->File, sizeof(resource->File));
    property(resource, L"Program", resource->Program, sizeof(resource->Program));
    property(resource, L"Data", resource->Data, sizeof(resource->Data));
    for (size_t at = 0; at < sizeof(g_Behaviours) / sizeof(g_Behaviours[0]); at++) {
        if (strcmp(g_Behaviours[at].Name, wanted) == 0) resource->Behaviour = &g_Behaviours[at];
    }
    /* A resource that has just been created has no properties yet. */
    if (resource->Behaviour == NULL && wanted[0] != 0 && strcmp(wanted, "none") != 0) {
        g_Callbacks.LogEvent(handle, LOG_ERROR, L"there is no such behaviour\n");
        ClusterRegCloseKey(resource->Parameters);
        free(resource);
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    pthread_mutex_init(&resource->Lock, NULL);
    act(resource, ON_OPEN);
    return (RESID)resource;
}

/* Ends what runs, and waits for its end. */
static void end(struct resource *resource)
{
    pthread_mutex_lock(&resource->Lock);
    if (resource->Child != 0) {
        kill(resource->Child, SIGKILL);
        waitpid(resource->Child, NULL, 0);
        close(STEAD_FD_FROM_HANDLE(resource->Event));
        resource->Child = 0;
    }
    resource->Online = 0;
    pthread_mutex_unlock(&resource->Lock);
}

static void WINAPI MisbehaveClose(RESID resid)
{
    struct resource *resource = (struct resource *)resid;
    act(resource, ON_CLOSE);
    end(resource);
    ClusterRegCloseKey(resource->Parameters);
    /* Threads of hostile behaviours still use it. */
    if (!resource->Aside) free(resource);
}

static DWORD WINAPI MisbehaveOnline(RESID resid, LPHANDLE event, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    struct resource *resource = (struct resource *)resid;
    DWORD returned;
    (void)flags; (void)buffer; (void)size; (void)reserved;
    resource->Terminated = 0;
#ifdef WITH_DEPENDENCY
    g_Callbacks.LogEvent(resource->Handle, LOG_WARNING, L"the dependency is version %1!d!\n", dependency_version());
#endif
    returned = act(resource, ON_ONLINE);
    if (returned != GO_ON) return returned;
    pthread_mutex_lock(&resource->Lock);
    resource->Child = child(resource);
    if (resource->Child != 0) resource->Event = STEAD_HANDLE_FROM_FD((int)syscall(SYS_pidfd_open, resource->Child, 0));
    resource->Online = resource->Child != 0;
    pthread_mutex_unlock(&resource->Lock);
    if (!resource->Online) return FAILED_HERE;
    /* LooksAlive is called, and a control code asks for the process, where there is no event to wait for. */
    if (resource->Behaviour == NULL || (resource->Behaviour->Entry != ON_LOOKS_ALIVE && resource->Behaviour->Entry != ON_CONTROL)) *event = resource->Event;
    return ERROR_SUCCESS;
}

static DWORD WINAPI MisbehaveOffline(RESID resid, LPCWSTR node, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    struct resource *resource = (struct resource *)resid;
    DWORD returned;
    (void)node; (void)flags; (void)buffer; (void)size; (void)reserved;
    returned = act(resource, ON_OFFLINE);
    if (returned != GO_ON) return returned;
    end(resource);
    return ERROR_SUCCESS;
}

static void WINAPI MisbehaveTerminate(RESID resid)
{
    struct resource *resource = (struct resource *)resid;
    resource->Terminated = 1;
    if (resource->Behaviour != NULL && resource->Behaviour->Act == block_until_terminated && !g_Checking) nap(700);
    act(resource, ON_TERMINATE);
    end(resource);
}

static BOOL alive(struct resource *resource)
{
    siginfo_t ended;
    BOOL up;
    memset(&ended, 0, sizeof(ended));
    pthread_mutex_lock(&resource->Lock);
    /* A behaviour that brought nothing online has nothing to look at. */
    up = resource->Child == 0 ||
         (waitid(P_PID, (id_t)resource->Child, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0);
    pthread_mutex_unlock(&resource->Lock);
    return up;
}

static BOOL WINAPI MisbehaveLooksAlive(RESID resid)
{
    struct resource *resource = (struct resource *)resid;
    DWORD returned = act(resource, ON_LOOKS_ALIVE);
    return returned != GO_ON ? (BOOL)returned : alive(resource);
}

static BOOL WINAPI MisbehaveIsAlive(RESID resid)
{
    struct resource *resource = (struct resource *)resid;
    DWORD returned = act(resource, ON_IS_ALIVE);
    return returned != GO_ON ? (BOOL)returned : alive(resource);
}

static DWORD WINAPI MisbehaveControl(RESID resid, DWORD code, PVOID in, DWORD in_size, PVOID out, DWORD out_size,
                                     LPDWORD returned)
{
    struct resource *resource = (struct resource *)resid;
    (void)in;
    (void)in_size;
    resource->Control = (struct control){code, out, out_size, returned};
    if (act(resource, ON_CONTROL) == GO_ON) return ERROR_INVALID_FUNCTION;
    return ERROR_SUCCESS;
}

static DWORD WINAPI Cancel(RESID resid, DWORD flags)
{
    (void)resid;
    (void)flags;
    return ERROR_SUCCESS;
}

static CLRES_V2_FUNCTION_TABLE(g_Table, CLRES_VERSION_V2_00, Misbehave, NULL, NULL, MisbehaveControl, NULL, Cancel);

DWORD WINAPI StartupEx(LPCWSTR type, DWORD low, DWORD high, PCLRES_CALLBACK_FUNCTION_TABLE callbacks,
                       PCLRES_FUNCTION_TABLE *table)
{
    char line[512] = {0};
    FILE *file;
#ifdef ANY_TYPE
    (void)type;
#else
    if (_wcsicmp(type, L"Misbehave") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
#endif
    if (low > CLRES_VERSION_V2_00 || high < CLRES_VERSION_V2_00) return ERROR_REVISION_MISMATCH;
    file = fopen("/proc/self/cmdline", "r");
    if (file != NULL) {
        size_t length = fread(line, 1, sizeof(line) - 1, file);
        fclose(file);
        g_Checking = memmem(line, length, "(check)", 7) != NULL;
    }
    g_Callbacks = *callbacks;
    *table = &g_Table;
    return ERROR_SUCCESS;
}

#ifdef HANG_IN_CONSTRUCTOR
#include <dlfcn.h>
/* Hangs while the file of the same name with ".hang" is there. */
__attribute__((constructor)) static void constructed(void)
{
    Dl_info own;
    char path[500];
    if (dladdr((void *)&g_Callbacks, &own) != 0 &&
        (size_t)snprintf(path, sizeof(path), "%s.hang", own.dli_fname) < sizeof(path)) {
        while (access(path, F_OK) == 0) nap(5);
    }
}
#endif
