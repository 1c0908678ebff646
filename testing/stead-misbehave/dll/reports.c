/* Behaviours that report, log and answer what is not so. */
#include "misbehave.h"

DWORD pending_silent(struct resource *resource)
{
    (void)resource;
    return ERROR_IO_PENDING;
}

static void *go_on_reporting(void *pointer)
{
    struct resource *resource = pointer;
    for (DWORD checkpoint = 1; !resource->Terminated; checkpoint++) {
        report(resource->Handle, ClusterResourceOnlinePending, checkpoint);
        nap(50);
    }
    return NULL;
}

DWORD pending_for_ever(struct resource *resource)
{
    aside(resource, go_on_reporting);
    return ERROR_IO_PENDING;
}

static void *report_online(void *pointer)
{
    report(((struct resource *)pointer)->Handle, ClusterResourceOnline, 1);
    return NULL;
}

DWORD report_early(struct resource *resource)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, report_online, resource) != 0) return 1;
    pthread_join(thread, NULL);
    return ERROR_IO_PENDING;
}

static void *contradict(void *pointer)
{
    RESOURCE_HANDLE handle = ((struct resource *)pointer)->Handle;
    nap(50);
    report(handle, ClusterResourceOnline, 1);
    report(handle, ClusterResourceOnline, 2);
    report(handle, ClusterResourceFailed, 3);
    report(handle, ClusterResourceOnline, 4);
    report(handle, ClusterResourceOffline, 5);
    return NULL;
}

DWORD report_twice(struct resource *resource)
{
    aside(resource, contradict);
    return ERROR_IO_PENDING;
}

DWORD report_nonsense(struct resource *resource)
{
    RESOURCE_STATUS_EX status;
    int accepted = 0;
    ResUtilInitializeResourceStatusEx(&status);
    status.WaitHint = 0xFFFFFFFF;
    status.ResourceState = ClusterResourceOnlinePending;
    status.CheckPoint = 1;
    accepted += g_Callbacks.SetResourceStatusEx((RESOURCE_HANDLE)0xDEADBEEF, &status) == ERROR_SUCCESS;
    accepted += g_Callbacks.SetResourceStatusEx(NULL, &status) == ERROR_SUCCESS;
    accepted += g_Callbacks.SetResourceStatusEx((RESOURCE_HANDLE)resource, &status) == ERROR_SUCCESS;
    accepted += g_Callbacks.SetResourceStatusEx(resource->Handle, NULL) == ERROR_SUCCESS;
    accepted += g_Callbacks.SetResourceLockedMode((RESOURCE_HANDLE)0xDEADBEEF, TRUE, 1) == ERROR_SUCCESS;
    accepted += g_Callbacks.SignalFailure((RESOURCE_HANDLE)0xDEADBEEF, FAILURE_TYPE_GENERAL, 1) == ERROR_SUCCESS;
    if (accepted != 0) say(resource, L"nonsense was accepted");
    report(resource->Handle, 12345, 1);
    report(resource->Handle, -7, 1);
    return GO_ON;
}

DWORD log_nonsense(struct resource *resource)
{
    static WCHAR endless[5 << 20];
    static const WCHAR lone[] = {0xD800, 'x', 0xDC00, 0x001B, '[', '2', 'J', 0x0007, 0};
    PLOG_EVENT_ROUTINE log = g_Callbacks.LogEvent;
    for (size_t at = 0; at < sizeof(endless) / sizeof(endless[0]) - 1; at++) endless[at] = 'x';
    log(resource->Handle, LOG_WARNING, NULL);
    log(resource->Handle, 77, L"a level that there is not\n");
    log(resource->Handle, -1, L"%n%s%s%s%1!9999999999d!%0!d!%100!d!\n");
    log(resource->Handle, LOG_WARNING, L"%n%s%n%s\n");
    log(resource->Handle, LOG_WARNING, L"%1!ws!\n", endless);
    log(resource->Handle, LOG_WARNING, endless);
    log(resource->Handle, LOG_WARNING, lone);
    log((RESOURCE_HANDLE)0xDEADBEEF, LOG_WARNING, L"nobody's line\n");
    log(resource->Handle, LOG_WARNING, L"forged\n2026-01-01T00:00:00Z ERROR a line that nobody wrote\n");
    log(resource->Handle, LOG_WARNING, L"the last line of nonsense\n");
    return GO_ON;
}

static void *rage(void *pointer)
{
    struct resource *resource = pointer;
    for (DWORD checkpoint = 1; !resource->Terminated; checkpoint++) {
        report(resource->Handle, ClusterResourceOnlinePending, checkpoint);
        g_Callbacks.LogEvent(resource->Handle, LOG_WARNING, L"line %1!u!\n", checkpoint);
    }
    return NULL;
}

DWORD storm(struct resource *resource)
{
    for (int count = 0; count < 64; count++) aside(resource, rage);
    return ERROR_IO_PENDING;
}

static void *report_soon(void *pointer)
{
    nap(200);
    report(((struct resource *)pointer)->Handle, ClusterResourceFailed, 1);
    say((struct resource *)pointer, L"from beyond");
    return NULL;
}

DWORD report_after_close(struct resource *resource)
{
    aside(resource, report_soon);
    return GO_ON;
}

static void *call_on(void *pointer)
{
    struct resource *resource = pointer;
    for (DWORD checkpoint = 1;; checkpoint++) {
        report(resource->Handle, ClusterResourceOnline, checkpoint);
        nap(20);
    }
    return NULL;
}

DWORD call_for_ever(struct resource *resource)
{
    aside(resource, call_on);
    return GO_ON;
}

DWORD count_calls(struct resource *resource)
{
    if (resource->Online) abort();
    return GO_ON;
}

/* Nothing is started, and every question is answered with yes. */
DWORD lie(struct resource *resource)
{
    (void)resource;
    return ERROR_SUCCESS;
}

/* More than the buffer holds, and less than a list: 4 GiB are claimed, and no string ends. */
DWORD nonsense_lists(struct resource *resource)
{
    memset(resource->Control.Out, 0x41, resource->Control.OutSize);
    *resource->Control.Returned = 0xFFFFFFF0;
    return ERROR_SUCCESS;
}
