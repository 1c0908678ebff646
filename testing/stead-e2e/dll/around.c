/*
 * A resource DLL that writes down what it is told of the cluster around it while it comes online. Its private property
 * Report is the file.
 */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct AROUND {
    RESOURCE_HANDLE Handle;
    WCHAR Name[64];
    WCHAR Report[256];
} AROUND;

static CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;

static const char *plain(const WCHAR *text, char *room)
{
    size_t at = 0;
    do room[at] = (char)text[at];
    while (text[at++] != 0);
    return room;
}

static void ask(AROUND *around, FILE *file)
{
    HCLUSTER cluster = OpenCluster(NULL);
    HRESOURCE self = OpenClusterResource(cluster, around->Name);
    WCHAR node[128] = {0}, group[128] = {0}, name[128];
    DWORD nodes = 128, groups = 128, index, kind, units = 128, size = 0;
    char text[256];
    BYTE output[256];
    HCLUSENUM list = ClusterOpenEnum(cluster, CLUSTER_ENUM_RESOURCE | CLUSTER_ENUM_GROUP | CLUSTER_ENUM_RESTYPE);

    fprintf(file, "cluster %d self %d\n", cluster != NULL, self != NULL);
    fprintf(file, "state %d", GetClusterResourceState(self, node, &nodes, group, &groups));
    fprintf(file, " of group %s\n", plain(group, text));
    for (index = 0; ClusterEnum(list, index, &kind, name, &units) == ERROR_SUCCESS; index++) {
        fprintf(file, "enum %u %s\n", kind, plain(name, text));
        units = 128;
    }
    ClusterCloseEnum(list);
    fprintf(file, "nobody %d", OpenClusterResource(cluster, L"nobody") != NULL);
    fprintf(file, " %u\n", GetLastError());
    fprintf(file, "own control inside Online %u\n",
            ClusterResourceControl(self, NULL, CLUSCTL_RESOURCE_GET_NAME, NULL, 0, output, sizeof(output), &size));
    CloseClusterResource(self);
    CloseCluster(cluster);
}

/* Waits for its turn: Online must have returned before another entry point of the instance is called. */
static void *work(void *context)
{
    AROUND *around = (AROUND *)context;
    HCLUSTER cluster = OpenCluster(NULL);
    HRESOURCE self = OpenClusterResource(cluster, around->Name);
    RESOURCE_STATUS_EX status;
    BYTE output[256];
    DWORD size = 0, code;
    char text[512];
    FILE *file;

    code = ClusterResourceControl(self, NULL, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE, NULL, 0, output, 4, &size);
    file = fopen(plain(around->Report, text), "a");
    fprintf(file, "type with little room %u %u\n", code, size);
    code = ClusterResourceControl(self, NULL, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE, NULL, 0, output, sizeof(output), &size);
    fprintf(file, "type %u %s\n", code, plain((WCHAR *)output, text));
    fprintf(file, "end\n");
    fclose(file);
    CloseClusterResource(self);
    CloseCluster(cluster);
    memset(&status, 0, sizeof(status));
    status.ResourceState = ClusterResourceOnline;
    status.CheckPoint = 1;
    g_Callbacks.SetResourceStatusEx(around->Handle, &status);
    return NULL;
}

static RESID WINAPI AroundOpen(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle, DWORD Flags)
{
    AROUND *around = (AROUND *)calloc(1, sizeof(AROUND));
    HKEY parameters = NULL;
    DWORD size = sizeof(around->Report) - sizeof(WCHAR), at;
    UNREFERENCED_PARAMETER(Flags);
    around->Handle = Handle;
    for (at = 0; at < 63 && Name[at] != 0; at++) around->Name[at] = Name[at];
    if (ClusterRegOpenKey(Key, L"Parameters", KEY_READ, &parameters) == ERROR_SUCCESS) {
        ClusterRegQueryValue(parameters, L"Report", NULL, (LPBYTE)around->Report, &size);
        ClusterRegCloseKey(parameters);
    }
    return (RESID)around;
}

static void WINAPI AroundClose(RESID Id) { free(Id); }

static DWORD WINAPI AroundOnline(RESID Id, PHANDLE Event, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    AROUND *around = (AROUND *)Id;
    char text[512];
    FILE *file = fopen(plain(around->Report, text), "w");
    pthread_t thread;
    UNREFERENCED_PARAMETER(Event);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    if (file == NULL) return ERROR_FILE_NOT_FOUND;
    ask(around, file);
    fclose(file);
    if (pthread_create(&thread, NULL, work, around) != 0) return ERROR_NO_SYSTEM_RESOURCES;
    pthread_detach(thread);
    return ERROR_IO_PENDING;
}

static DWORD WINAPI AroundOffline(RESID Id, LPCWSTR Node, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(Id);
    UNREFERENCED_PARAMETER(Node);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    return ERROR_SUCCESS;
}

static void WINAPI AroundTerminate(RESID Id) { UNREFERENCED_PARAMETER(Id); }

static BOOL WINAPI AroundLooksAlive(RESID Id)
{
    UNREFERENCED_PARAMETER(Id);
    return TRUE;
}

static BOOL WINAPI AroundIsAlive(RESID Id)
{
    UNREFERENCED_PARAMETER(Id);
    return TRUE;
}

static CLRES_V2_FUNCTION_TABLE(g_Table, CLRES_VERSION_V2_00, Around, NULL, NULL, NULL, NULL, NULL);

DWORD WINAPI StartupEx(LPCWSTR Type, DWORD Min, DWORD Max, PCLRES_CALLBACK_FUNCTION_TABLE Callbacks,
                       PCLRES_FUNCTION_TABLE *Table)
{
    if (_wcsicmp(Type, L"Around") != 0) return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    if (Min > CLRES_VERSION_V2_00 || Max < CLRES_VERSION_V2_00) return ERROR_REVISION_MISMATCH;
    g_Callbacks = *Callbacks;
    *Table = &g_Table;
    return ERROR_SUCCESS;
}
