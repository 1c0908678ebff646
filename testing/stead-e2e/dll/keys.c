/*
 * A resource DLL for tests of ClusAPI: counts its onlines in its keys, and writes down what it learns of the cluster.
 *
 * Online: adds one to the private property "Runs", sets values of all kinds in the key State\Inner, and writes a line
 * for everything it is told to the file named by the private property "Report".
 */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct KEYS {
    WCHAR Name[64];
    HKEY Key;
} KEYS;

static FILE *g_Report;

static void Say(const char *Format, ...)
{
    va_list args;
    if (g_Report == NULL)
        return;
    va_start(args, Format);
    vfprintf(g_Report, Format, args);
    va_end(args);
    fputc('\n', g_Report);
    fflush(g_Report);
}

/* ASCII only, which is all that these tests have. */
static const char *Plain(const WCHAR *Text, char *To)
{
    size_t i = 0;
    for (; Text[i] != 0 && i < 127; i++)
        To[i] = (char)Text[i];
    To[i] = 0;
    return To;
}

static void Listing(HCLUSTER Cluster, DWORD Kind)
{
    HCLUSENUM list = ClusterOpenEnum(Cluster, Kind);
    WCHAR name[128];
    char plain[128];
    DWORD kind, units, code, i;
    for (i = 0;; i++) {
        units = 128;
        code = ClusterEnum(list, i, &kind, name, &units);
        if (code != ERROR_SUCCESS)
            break;
        Say("enum %u %s", kind, Plain(name, plain));
    }
    i = ClusterGetEnumCount(list);
    Say("enum %u ended %u of %u closed %u", Kind, code, i, ClusterCloseEnum(list));
}

static void Facts(KEYS *Keys)
{
    HCLUSTER cluster = OpenCluster(NULL);
    HRESOURCE self = OpenClusterResource(cluster, Keys->Name);
    HRESOURCE provider = OpenClusterResource(cluster, L"provider");
    WCHAR node[64], group[64], expression[128];
    char a[128], b[128];
    DWORD nodes = 64, groups = 64, units = 128, state, size;
    BYTE output[64];
    HKEY key;

    state = (DWORD)GetClusterResourceState(provider, node, &nodes, group, &groups);
    Say("provider %u %s", state, Plain(group, b));
    nodes = groups = 64;
    state = (DWORD)GetClusterResourceState(self, node, &nodes, group, &groups);
    Say("self %u %s", state, Plain(group, b));
    GetClusterResourceDependencyExpression(self, expression, &units);
    Say("expression %s", Plain(expression, a));
    Listing(cluster, CLUSTER_ENUM_RESOURCE);
    Listing(cluster, CLUSTER_ENUM_GROUP);
    state = OpenClusterResource(cluster, L"nobody") != NULL;
    Say("unknown %u %u", state, GetLastError());
    size = 0;
    state = ClusterResourceControl(provider, NULL, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE, NULL, 0, output, 4, &size);
    Say("type short %u %u", state, size);
    state = ClusterResourceControl(provider, NULL, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE, NULL, 0, output,
                                   sizeof(output), &size);
    Say("type %u %s", state, Plain((WCHAR *)output, a));
    Say("own control %u", ClusterResourceControl(self, NULL, CLUSCTL_RESOURCE_GET_NAME, NULL, 0, output,
                                                 sizeof(output), &size));
    key = GetClusterResourceKey(OpenClusterResource(cluster, L"elsewhere"), KEY_ALL_ACCESS);
    Say("elsewhere %d set %u", key != NULL, ClusterRegSetValue(key, L"x", REG_DWORD, output, 4));
    Say("closed %d %d", CloseClusterResource(self), CloseClusterResource(provider));
    state = (DWORD)CloseCluster(cluster);
    Say("closed %u again %d", state, CloseCluster(cluster));
    Say("last error %u", GetLastError());
}

static DWORD WINAPI KeysOnline(RESID Id, PHANDLE EventHandle)
{
    KEYS *keys = Id;
    HKEY parameters = NULL, inner = NULL;
    HREGBATCH batch = NULL;
    DWORD runs = 0, size = sizeof(runs), kind = 0, code, disposition = 0, subkeys = 0, values = 0;
    WCHAR path[256];
    char plain[256];
    (void)EventHandle;
    if (ClusterRegOpenKey(keys->Key, L"Parameters", KEY_ALL_ACCESS, &parameters) != ERROR_SUCCESS)
        return ERROR_FILE_NOT_FOUND;
    size = sizeof(path);
    if (ClusterRegQueryValue(parameters, L"report", &kind, (BYTE *)path, &size) == ERROR_SUCCESS && kind == REG_SZ)
        g_Report = fopen(Plain(path, plain), "w");
    size = sizeof(runs);
    if (ClusterRegQueryValue(parameters, L"Runs", &kind, (BYTE *)&runs, &size) != ERROR_SUCCESS)
        runs = 0;
    runs++;
    code = ClusterRegSetValue(parameters, L"Runs", REG_DWORD, (BYTE *)&runs, sizeof(runs));
    Say("runs %u %u", runs, code);
    code = (DWORD)ClusterRegCreateKey(keys->Key, L"State\\Inner", 0, KEY_ALL_ACCESS, NULL, &inner, &disposition);
    Say("inner %u %u", code, disposition);
    ClusterRegCreateBatch(inner, &batch);
    ClusterRegBatchAddCommand(batch, CLUSREG_SET_VALUE, L"Text", REG_SZ, L"word", 10);
    ClusterRegBatchAddCommand(batch, CLUSREG_SET_VALUE, L"Raw", REG_BINARY, "\1\2\3", 3);
    Say("batch %d", ClusterRegCloseBatch(batch, TRUE, NULL));
    ClusterRegQueryInfoKey(inner, &subkeys, NULL, &values, NULL, NULL, NULL, NULL);
    Say("info %u %u", subkeys, values);
    Say("deleted configured %u", ClusterRegDeleteValue(parameters, L"Gone"));
    Say("gone %d", ClusterRegQueryValue(parameters, L"Gone", NULL, NULL, NULL));
    {
        static BYTE large[60000];
        Say("too much %u", ClusterRegSetValue(inner, L"Large", REG_BINARY, large, sizeof(large)));
    }
    ClusterRegCloseKey(inner);
    ClusterRegCloseKey(parameters);
    Facts(keys);
    Say("end");
    return ERROR_SUCCESS;
}

static RESID WINAPI KeysOpen(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle)
{
    KEYS *keys = calloc(1, sizeof(*keys));
    (void)Handle;
    wcsncpy(keys->Name, Name, 63);
    ClusterRegOpenKey(Key, L"", KEY_ALL_ACCESS, &keys->Key);
    return keys;
}

static void WINAPI KeysClose(RESID Id)
{
    ClusterRegCloseKey(((KEYS *)Id)->Key);
    free(Id);
}

static DWORD WINAPI KeysOffline(RESID Id)
{
    (void)Id;
    return ERROR_SUCCESS;
}

static void WINAPI KeysTerminate(RESID Id)
{
    (void)Id;
}

static BOOL WINAPI KeysLooksAlive(RESID Id)
{
    (void)Id;
    return TRUE;
}

static BOOL WINAPI KeysIsAlive(RESID Id)
{
    (void)Id;
    return TRUE;
}

static DWORD WINAPI KeysControl(RESID Id, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize, LPDWORD Returned)
{
    (void)Id, (void)In, (void)InSize, (void)Out, (void)OutSize, (void)Returned;
    if (Code == CLUSCTL_RESOURCE_DELETE)
        Say("deleted");
    return ERROR_INVALID_FUNCTION;
}

static CLRES_V1_FUNCTION_TABLE(g_Table, CLRES_VERSION_V1_00, Keys, NULL, NULL, KeysControl, NULL);

DWORD WINAPI Startup(LPCWSTR Type, DWORD Min, DWORD Max, PSET_RESOURCE_STATUS_ROUTINE SetStatus,
                     PLOG_EVENT_ROUTINE LogEvent, PCLRES_FUNCTION_TABLE *Table)
{
    (void)Min;
    (void)Max;
    (void)SetStatus;
    (void)LogEvent;
    if (lstrcmpiW(Type, L"Keys") != 0)
        return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    *Table = &g_Table;
    return ERROR_SUCCESS;
}
