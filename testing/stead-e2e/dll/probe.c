/*
 * A resource DLL for tests: what it does is written in its private properties, one short script an entry point.
 *
 * A script is a list of steps with semicolons between them. Steps before "return N" are done inside the entry point;
 * N is what it returns; the steps after it are done by a worker thread. Without "return" the entry point returns 0
 * when the script is done.
 *
 *   status STATE CHECKPOINT [WAITHINT]       SetResourceStatus (only with Startup)
 *   statusex STATE CHECKPOINT [CODE [FLAGS]] SetResourceStatusEx
 *   forged HEX STATE                         a status with another handle
 *   null                                     a status without a structure
 *   flood COUNT                              so many status reports OnlinePending, checkpoints rising
 *   event / fire / clear                     makes, signals and clears an event handle
 *   report-event STATE CHECKPOINT            a status that carries the event handle
 *   alive N                                  what IsAlive and LooksAlive answer from now on: 0 or 1
 *   looks N                                  the same for LooksAlive alone
 *   lock N [FLAGS] / signal TYPE CODE        SetResourceLockedMode(Ex), SignalFailure
 *   lasterror N, log TEXT, sleep MS
 *   gate                                     waits until the entry point Terminate or Cancel has been entered
 *   crash, hang, exit N, spin
 *   unless PATH                              goes on only if there is no such file
 *   shout COUNT                              so many lines for the log
 *   print                                    a line on standard output
 *   fork                                     leaves a child behind that does nothing
 *
 * StartupEx hangs while there is a file named as this one with ".hang" at its end.
 */
#define _GNU_SOURCE
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STEPS 16384

typedef struct PROBE {
    RESOURCE_HANDLE Handle;
    HKEY Key;
    HANDLE Event;
    volatile int Alive;
    volatile int Looks;
    volatile int Stop;
} PROBE;

static PLOG_EVENT_ROUTINE g_LogEvent;
static PSET_RESOURCE_STATUS_ROUTINE g_SetStatus;
static CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;

typedef struct SCRIPT {
    PROBE *Probe;
    WCHAR Text[STEPS];
    size_t At;
} SCRIPT;

static LONG number(SCRIPT *script)
{
    LONG sign = 1, value = 0;
    while (script->Text[script->At] == ' ') script->At++;
    if (script->Text[script->At] == '-') { sign = -1; script->At++; }
    while (script->Text[script->At] >= '0' && script->Text[script->At] <= '9') {
        value = value * 10 + (script->Text[script->At++] - '0');
    }
    return sign * value;
}

static ULONG_PTR hexadecimal(SCRIPT *script)
{
    ULONG_PTR value = 0;
    while (script->Text[script->At] == ' ') script->At++;
    for (;;) {
        WCHAR c = script->Text[script->At];
        if (c >= '0' && c <= '9') value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f') value = value * 16 + (c - 'a' + 10);
        else return value;
        script->At++;
    }
}

static int word(SCRIPT *script, const char *expected)
{
    size_t at = script->At;
    while (*expected != 0 && script->Text[at] == (WCHAR)*expected) { at++; expected++; }
    if (*expected != 0 || (script->Text[at] != ' ' && script->Text[at] != ';' && script->Text[at] != 0)) return 0;
    script->At = at;
    return 1;
}

static void status(RESOURCE_HANDLE handle, LONG state, DWORD checkpoint, DWORD hint)
{
    RESOURCE_STATUS report;
    if (g_SetStatus == NULL) return;
    ResUtilInitializeResourceStatus(&report);
    report.ResourceState = (CLUSTER_RESOURCE_STATE)state;
    report.CheckPoint = checkpoint;
    report.WaitHint = hint;
    g_SetStatus(handle, &report);
}

static void status_ex(RESOURCE_HANDLE handle, LONG state, DWORD checkpoint, HANDLE event, DWORD code, DWORD flags)
{
    RESOURCE_STATUS_EX report;
    if (g_Callbacks.SetResourceStatusEx == NULL) {
        RESOURCE_STATUS old;
        ResUtilInitializeResourceStatus(&old);
        old.ResourceState = (CLUSTER_RESOURCE_STATE)state;
        old.CheckPoint = checkpoint;
        old.EventHandle = event;
        g_SetStatus(handle, &old);
        return;
    }
    ResUtilInitializeResourceStatusEx(&report);
    report.ResourceState = (CLUSTER_RESOURCE_STATE)state;
    report.CheckPoint = checkpoint;
    report.EventHandle = event;
    report.ApplicationSpecificErrorCode = code;
    report.Flags = flags;
    g_Callbacks.SetResourceStatusEx(handle, &report);
}

static void one(SCRIPT *script)
{
    PROBE *probe = script->Probe;
    if (word(script, "status")) {
        LONG state = number(script); DWORD checkpoint = (DWORD)number(script);
        status(probe->Handle, state, checkpoint, (DWORD)number(script));
    } else if (word(script, "statusex")) {
        LONG state = number(script); DWORD checkpoint = (DWORD)number(script); DWORD code = (DWORD)number(script);
        status_ex(probe->Handle, state, checkpoint, NULL, code, (DWORD)number(script));
    } else if (word(script, "forged")) {
        ULONG_PTR handle = hexadecimal(script);
        status_ex((RESOURCE_HANDLE)handle, number(script), 1, NULL, 0, 0);
    } else if (word(script, "null")) {
        g_Callbacks.SetResourceStatusEx(probe->Handle, NULL);
    } else if (word(script, "flood")) {
        LONG count = number(script);
        for (LONG i = 1; i <= count; i++) status_ex(probe->Handle, ClusterResourceOnlinePending, (DWORD)i, NULL, 0, 0);
    } else if (word(script, "report-event")) {
        LONG state = number(script);
        status_ex(probe->Handle, state, (DWORD)number(script), probe->Event, 0, 0);
    } else if (word(script, "event")) {
        probe->Event = STEAD_HANDLE_FROM_FD(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    } else if (word(script, "fire")) {
        uint64_t one = 1;
        if (write(STEAD_FD_FROM_HANDLE(probe->Event), &one, 8) != 8) abort();
    } else if (word(script, "clear")) {
        uint64_t all;
        (void)!read(STEAD_FD_FROM_HANDLE(probe->Event), &all, 8);
    } else if (word(script, "alive")) {
        probe->Alive = (int)number(script);
        probe->Looks = probe->Alive;
    } else if (word(script, "looks")) {
        probe->Looks = (int)number(script);
    } else if (word(script, "lock")) {
        BOOL on = number(script); DWORD flags = (DWORD)number(script);
        if (flags != 0) g_Callbacks.SetResourceLockedModeEx(probe->Handle, on, 77, flags);
        else g_Callbacks.SetResourceLockedMode(probe->Handle, on, 77);
    } else if (word(script, "signal")) {
        LONG type = number(script);
        g_Callbacks.SignalFailure(probe->Handle, (FAILURE_TYPE)type, (DWORD)number(script));
    } else if (word(script, "lasterror")) {
        SetLastError((DWORD)number(script));
    } else if (word(script, "log")) {
        WCHAR text[200]; size_t n = 0;
        while (script->Text[script->At] == ' ') script->At++;
        while (script->Text[script->At] != 0 && script->Text[script->At] != ';' && n < 199) {
            text[n++] = script->Text[script->At++];
        }
        text[n] = 0;
        g_LogEvent(probe->Handle, LOG_WARNING, L"%1!ws!\n", text);
    } else if (word(script, "sleep")) {
        usleep((useconds_t)number(script) * 1000);
    } else if (word(script, "gate")) {
        while (!probe->Stop) usleep(1000);
    } else if (word(script, "crash")) {
        *(volatile int *)16 = 1;
    } else if (word(script, "hang")) {
        for (;;) pause();
    } else if (word(script, "spin")) {
        for (;;) { }
    } else if (word(script, "exit")) {
        _exit((int)number(script));
    } else if (word(script, "print")) {
        printf("not a line of the monitor\n");
        fflush(stdout);
    } else if (word(script, "fork")) {
        if (fork() == 0) for (;;) pause();
    } else if (word(script, "shout")) {
        LONG count = number(script);
        for (LONG i = 1; i <= count; i++) g_LogEvent(probe->Handle, LOG_WARNING, L"line %1!u!\n", (DWORD)i);
    } else if (word(script, "unless")) {
        char path[500]; size_t n = 0;
        while (script->Text[script->At] == ' ') script->At++;
        while (script->Text[script->At] != 0 && script->Text[script->At] != ';' && n < 499) {
            path[n++] = (char)script->Text[script->At++];
        }
        path[n] = 0;
        if (access(path, F_OK) == 0) { script->Text[script->At] = 0; return; }
    } else if (script->Text[script->At] != 0) {
        g_LogEvent(probe->Handle, LOG_SEVERE, L"probe: unknown step %1!ws!\n", script->Text + script->At);
        abort();
    }
    while (script->Text[script->At] != 0 && script->Text[script->At] != ';') script->At++;
    while (script->Text[script->At] == ';' || script->Text[script->At] == ' ') script->At++;
}

static void *worker(void *context)
{
    SCRIPT *script = (SCRIPT *)context;
    while (script->Text[script->At] != 0) one(script);
    free(script);
    return NULL;
}

static DWORD run(PROBE *probe, const WCHAR *name)
{
    SCRIPT *script = (SCRIPT *)calloc(1, sizeof(SCRIPT));
    HKEY parameters = NULL;
    DWORD size = sizeof(script->Text) - sizeof(WCHAR);
    script->Probe = probe;
    if (ClusterRegOpenKey(probe->Key, L"Parameters", KEY_READ, &parameters) != ERROR_SUCCESS ||
        ClusterRegQueryValue(parameters, name, NULL, (LPBYTE)script->Text, &size) != ERROR_SUCCESS) {
        script->Text[0] = 0;
    }
    if (parameters != NULL) ClusterRegCloseKey(parameters);
    while (script->Text[script->At] != 0) {
        if (word(script, "return")) {
            DWORD value = (DWORD)number(script);
            while (script->Text[script->At] == ';' || script->Text[script->At] == ' ') script->At++;
            if (script->Text[script->At] == 0) {
                free(script);
            } else {
                pthread_t thread;
                if (pthread_create(&thread, NULL, worker, script) != 0) abort();
                pthread_detach(thread);
            }
            return value;
        }
        one(script);
    }
    free(script);
    return ERROR_SUCCESS;
}

static RESID WINAPI V2Open(LPCWSTR name, HKEY key, RESOURCE_HANDLE handle, DWORD flags)
{
    PROBE *probe = (PROBE *)calloc(1, sizeof(PROBE));
    (void)name;
    (void)flags;
    probe->Handle = handle;
    probe->Alive = probe->Looks = 1;
    if (ClusterRegOpenKey(key, L"", KEY_READ, &probe->Key) != ERROR_SUCCESS) probe->Key = key;
    if (run(probe, L"Open") != ERROR_SUCCESS) return (RESID)NULL;
    return (RESID)probe;
}

static RESID WINAPI V1Open(LPCWSTR name, HKEY key, RESOURCE_HANDLE handle) { return V2Open(name, key, handle, 0); }
/* Never freed: workers of hostile scripts may still use it. */
static void WINAPI V1Close(RESID resource) { run((PROBE *)resource, L"Close"); }
static void WINAPI V2Close(RESID resource) { V1Close(resource); }

static DWORD WINAPI V2Online(RESID resource, LPHANDLE event, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    PROBE *probe = (PROBE *)resource;
    DWORD returned;
    (void)flags; (void)buffer; (void)size; (void)reserved;
    probe->Stop = 0;
    probe->Alive = probe->Looks = 1;
    probe->Event = NULL;
    returned = run(probe, L"Online");
    *event = probe->Event;
    return returned;
}

static DWORD WINAPI V1Online(RESID resource, LPHANDLE event) { return V2Online(resource, event, 0, NULL, 0, 0); }

static DWORD WINAPI V2Offline(RESID resource, LPCWSTR node, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    (void)node; (void)flags; (void)buffer; (void)size; (void)reserved;
    return run((PROBE *)resource, L"Offline");
}

static DWORD WINAPI V1Offline(RESID resource) { return V2Offline(resource, NULL, 0, NULL, 0, 0); }

static void WINAPI V1Terminate(RESID resource)
{
    ((PROBE *)resource)->Stop = 1;
    run((PROBE *)resource, L"Terminate");
}
static void WINAPI V2Terminate(RESID resource) { V1Terminate(resource); }

static BOOL WINAPI V1LooksAlive(RESID resource)
{
    run((PROBE *)resource, L"LooksAlive");
    return ((PROBE *)resource)->Looks;
}
static BOOL WINAPI V2LooksAlive(RESID resource) { return V1LooksAlive(resource); }

static BOOL WINAPI V1IsAlive(RESID resource)
{
    run((PROBE *)resource, L"IsAlive");
    return ((PROBE *)resource)->Alive;
}
static BOOL WINAPI V2IsAlive(RESID resource) { return V1IsAlive(resource); }

static DWORD WINAPI Cancel(RESID resource, DWORD flags)
{
    (void)flags;
    ((PROBE *)resource)->Stop = 1;
    return run((PROBE *)resource, L"Cancel");
}

static CLRES_V1_FUNCTION_TABLE(g_V1, CLRES_VERSION_V1_00, V1, NULL, NULL, NULL, NULL);
static CLRES_V2_FUNCTION_TABLE(g_V2, CLRES_VERSION_V2_00, V2, NULL, NULL, NULL, NULL, Cancel);
static CLRES_V3_FUNCTION_TABLE(g_V3, CLRES_VERSION_V3_00, V2, NULL, NULL, NULL, NULL, Cancel);
static CLRES_V4_FUNCTION_TABLE(g_V4, CLRES_VERSION_V4_00, V2, NULL, NULL, NULL, NULL, Cancel, NULL, NULL);

static DWORD choose(LPCWSTR type, PCLRES_FUNCTION_TABLE *table)
{
#ifdef ONLY_STARTUP
    /* Startup is asked for version 1. */
    if (wcscmp(type, L"Probe") == 0) *table = &g_V1;
    else
#endif
    if (wcscmp(type, L"Probe") == 0 || wcscmp(type, L"Probe 2") == 0) *table = &g_V2;
    else if (wcscmp(type, L"Probe 1") == 0) *table = &g_V1;
    else if (wcscmp(type, L"Probe 3") == 0) *table = &g_V3;
    else if (wcscmp(type, L"Probe 4") == 0) *table = &g_V4;
    else return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    return ERROR_SUCCESS;
}

DWORD WINAPI Startup(LPCWSTR type, DWORD low, DWORD high, PSET_RESOURCE_STATUS_ROUTINE set_status,
                     PLOG_EVENT_ROUTINE log_event, PCLRES_FUNCTION_TABLE *table)
{
    (void)low; (void)high;
    g_SetStatus = set_status;
    g_LogEvent = log_event;
    return choose(type, table);
}

#ifndef ONLY_STARTUP
DWORD WINAPI StartupEx(LPCWSTR type, DWORD low, DWORD high, PCLRES_CALLBACK_FUNCTION_TABLE callbacks,
                       PCLRES_FUNCTION_TABLE *table)
{
    (void)low; (void)high;
    {
        Dl_info own;
        char path[500];
        if (dladdr((void *)&g_V1, &own) != 0 &&
            (size_t)snprintf(path, sizeof(path), "%s.hang", own.dli_fname) < sizeof(path)) {
            while (access(path, F_OK) == 0) usleep(1000);
        }
    }
    g_Callbacks = *callbacks;
    g_LogEvent = callbacks->LogEvent;
    return choose(type, table);
}
#endif
