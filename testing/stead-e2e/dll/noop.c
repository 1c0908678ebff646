/* A resource DLL that does nothing, to measure what everything around it costs. */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

static RESID WINAPI NoopOpen(LPCWSTR name, HKEY key, RESOURCE_HANDLE handle, DWORD flags)
{
    (void)name; (void)key; (void)flags;
    return (RESID)handle;
}

static void WINAPI NoopClose(RESID resource) { (void)resource; }

static DWORD WINAPI NoopOnline(RESID resource, LPHANDLE event, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    (void)resource; (void)event; (void)flags; (void)buffer; (void)size; (void)reserved;
    return ERROR_SUCCESS;
}

static DWORD WINAPI NoopOffline(RESID resource, LPCWSTR node, DWORD flags, PBYTE buffer, DWORD size, DWORD reserved)
{
    (void)resource; (void)node; (void)flags; (void)buffer; (void)size; (void)reserved;
    return ERROR_SUCCESS;
}

static void WINAPI NoopTerminate(RESID resource) { (void)resource; }
static BOOL WINAPI NoopLooksAlive(RESID resource) { (void)resource; return TRUE; }
static BOOL WINAPI NoopIsAlive(RESID resource) { (void)resource; return TRUE; }

static CLRES_V2_FUNCTION_TABLE(g_Table, CLRES_VERSION_V2_00, Noop, NULL, NULL, NULL, NULL, NULL);

DWORD WINAPI StartupEx(LPCWSTR type, DWORD low, DWORD high, PCLRES_CALLBACK_FUNCTION_TABLE callbacks,
                       PCLRES_FUNCTION_TABLE *table)
{
    (void)type; (void)low; (void)high; (void)callbacks;
    *table = &g_Table;
    return ERROR_SUCCESS;
}
