/*
 * A resource DLL for tests of ClusAPI: stores without pause from several threads while it is online.
 *
 * Online: writes what the values T0 to T3 have to the file named by the private property "Report", and starts a thread
 * for each, which counts it up. Offline: ends the threads and writes the last number of each that was acknowledged, and
 * the last error, 0 if there was none. IsAlive stores too, and on an error writes it there.
 */
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4

typedef struct COUNTER {
    HKEY Key;
    WCHAR Name[3];
    DWORD Acknowledged;
    DWORD Error;
    pthread_t Thread;
} COUNTER;

typedef struct STORM {
    HKEY Key;
    char Report[256];
    atomic_int Stop;
    int Running;
    COUNTER Counters[THREADS];
} STORM;

static STORM g_Storm;

static void *Count(void *Argument)
{
    COUNTER *counter = Argument;
    while (!atomic_load(&g_Storm.Stop)) {
        DWORD next = counter->Acknowledged + 1;
        DWORD code = ClusterRegSetValue(counter->Key, counter->Name, REG_DWORD, (BYTE *)&next, sizeof(next));
        if (code == ERROR_SUCCESS)
            counter->Acknowledged = next;
        else
            counter->Error = code;
    }
    return NULL;
}

static DWORD WINAPI StormOnline(RESID Id, PHANDLE EventHandle)
{
    WCHAR path[256];
    DWORD size = sizeof(path), kind;
    FILE *report;
    int i;
    (void)Id;
    (void)EventHandle;
    if (ClusterRegQueryValue(g_Storm.Key, L"Report", &kind, (BYTE *)path, &size) != ERROR_SUCCESS)
        return ERROR_FILE_NOT_FOUND;
    for (i = 0; i < 255 && path[i] != 0; i++)
        g_Storm.Report[i] = (char)path[i];
    report = fopen(g_Storm.Report, "w");
    atomic_store(&g_Storm.Stop, 0);
    for (i = 0; i < THREADS; i++) {
        COUNTER *counter = &g_Storm.Counters[i];
        counter->Key = g_Storm.Key;
        counter->Name[0] = L'T';
        counter->Name[1] = (WCHAR)(L'0' + i);
        counter->Name[2] = 0;
        counter->Acknowledged = 0;
        counter->Error = 0;
        size = sizeof(DWORD);
        ClusterRegQueryValue(g_Storm.Key, counter->Name, &kind, (BYTE *)&counter->Acknowledged, &size);
        fprintf(report, "found %u\n", counter->Acknowledged);
    }
    fprintf(report, "end\n");
    fclose(report);
    for (i = 0; i < THREADS; i++)
        pthread_create(&g_Storm.Counters[i].Thread, NULL, Count, &g_Storm.Counters[i]);
    g_Storm.Running = 1;
    return ERROR_SUCCESS;
}

static void Calm(void)
{
    FILE *report;
    int i;
    if (!g_Storm.Running)
        return;
    g_Storm.Running = 0;
    atomic_store(&g_Storm.Stop, 1);
    for (i = 0; i < THREADS; i++)
        pthread_join(g_Storm.Counters[i].Thread, NULL);
    report = fopen(g_Storm.Report, "w");
    for (i = 0; i < THREADS; i++)
        fprintf(report, "acknowledged %u error %u\n", g_Storm.Counters[i].Acknowledged, g_Storm.Counters[i].Error);
    fprintf(report, "end\n");
    fclose(report);
}

static DWORD WINAPI StormOffline(RESID Id)
{
    (void)Id;
    Calm();
    return ERROR_SUCCESS;
}

static void WINAPI StormTerminate(RESID Id)
{
    (void)Id;
    Calm();
}

static RESID WINAPI StormOpen(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle)
{
    (void)Name;
    (void)Handle;
    ClusterRegOpenKey(Key, L"Parameters", KEY_ALL_ACCESS, &g_Storm.Key);
    return &g_Storm;
}

static void WINAPI StormClose(RESID Id)
{
    (void)Id;
    ClusterRegCloseKey(g_Storm.Key);
}

static BOOL WINAPI StormLooksAlive(RESID Id)
{
    (void)Id;
    return TRUE;
}

static BOOL WINAPI StormIsAlive(RESID Id)
{
    DWORD code, zero = 0;
    (void)Id;
    code = ClusterRegSetValue(g_Storm.Key, L"Alive", REG_DWORD, (BYTE *)&zero, sizeof(zero));
    if (code != ERROR_SUCCESS) {
        FILE *report = fopen(g_Storm.Report, "w");
        fprintf(report, "alive %u\nend\n", code);
        fclose(report);
    }
    return TRUE;
}

static CLRES_V1_FUNCTION_TABLE(g_Table, CLRES_VERSION_V1_00, Storm, NULL, NULL, NULL, NULL);

DWORD WINAPI Startup(LPCWSTR Type, DWORD Min, DWORD Max, PSET_RESOURCE_STATUS_ROUTINE SetStatus,
                     PLOG_EVENT_ROUTINE LogEvent, PCLRES_FUNCTION_TABLE *Table)
{
    (void)Type;
    (void)Min;
    (void)Max;
    (void)SetStatus;
    (void)LogEvent;
    *Table = &g_Table;
    return ERROR_SUCCESS;
}
