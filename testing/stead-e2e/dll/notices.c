/*
 * A resource DLL for tests: writes what it is called with into a file named as this one with ".log" at its end, and
 * answers control codes as a file with ".answers" at its end says: lines of a code in hexadecimal and what to return,
 * or "hang", or "crash". Any other code but GET_CHARACTERISTICS is answered with 1. The code 0 stands for Open.
 */
#define _GNU_SOURCE
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct NOTICES { RESOURCE_HANDLE Handle; char Name[64]; } NOTICES;

static const char *path(const char *end, char *room, size_t size)
{
    Dl_info info;
    if (dladdr((void *)path, &info) == 0) return NULL;
    snprintf(room, size, "%s%s", info.dli_fname, end);
    return room;
}

/* One write a line: lines of several threads and processes stay whole. */
static void say(const char *line)
{
    char room[512];
    int file = open(path(".log", room, sizeof(room)), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    if (write(file, line, strlen(line)) < 0) abort();
    close(file);
}

static void called(const char *who, const char *what)
{
    char line[256];
    snprintf(line, sizeof(line), "%s %s\n", who, what);
    say(line);
}

static DWORD answer_of(DWORD code)
{
    char room[512], answer[32];
    unsigned known;
    DWORD returned = ERROR_INVALID_FUNCTION;
    FILE *answers;
    answers = fopen(path(".answers", room, sizeof(room)), "r");
    if (answers == NULL) return returned;
    while (fscanf(answers, "%x %31s", &known, answer) == 2) {
        if (known != code) continue;
        if (strcmp(answer, "hang") == 0) for (;;) pause();
        if (strcmp(answer, "crash") == 0) abort();
        returned = (DWORD)atoi(answer);
    }
    fclose(answers);
    return returned;
}

static DWORD control(const char *who, DWORD code, const BYTE *in, DWORD size)
{
    char line[2048];
    DWORD at;
    int length = snprintf(line, sizeof(line), "%s %08x ", who, code);
    for (at = 0; at < size && length < (int)sizeof(line) - 4; at++) length += sprintf(line + length, "%02x", in[at]);
    sprintf(line + length, "\n");
    say(line);
    return answer_of(code);
}

static RESID WINAPI NoticesOpen(LPCWSTR Name, HKEY Key, RESOURCE_HANDLE Handle, DWORD Flags)
{
    NOTICES *notices = (NOTICES *)calloc(1, sizeof(NOTICES));
    WCHAR mark[32] = {0};
    char line[64] = "Open ";
    HKEY parameters = NULL;
    DWORD failed, size = sizeof(mark) - sizeof(WCHAR);
    size_t at;
    UNREFERENCED_PARAMETER(Flags);
    notices->Handle = Handle;
    for (at = 0; at + 1 < sizeof(notices->Name) && Name[at] != 0; at++) notices->Name[at] = (char)Name[at];
    if (ClusterRegOpenKey(Key, L"Parameters", KEY_READ, &parameters) == ERROR_SUCCESS) {
        ClusterRegQueryValue(parameters, L"Mark", NULL, (LPBYTE)mark, &size);
        ClusterRegCloseKey(parameters);
    }
    for (at = 0; mark[at] != 0; at++) line[5 + at] = (char)mark[at];
    called(notices->Name, line);
    failed = answer_of(0);
    if (failed != ERROR_INVALID_FUNCTION) {
        free(notices);
        SetLastError(failed);
        return NULL;
    }
    return (RESID)notices;
}

static CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;

static BYTE *put(BYTE *at, const void *bytes, DWORD size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static BYTE *put_name(BYTE *at, const WCHAR *name)
{
    DWORD units = 0, head[2] = {CLUSPROP_SYNTAX_NAME, 0};
    while (name[units++] != 0) {}
    head[1] = units * sizeof(WCHAR);
    at = put(put(at, head, sizeof(head)), name, head[1]);
    return units % 2 == 0 ? at : put(at, L"", sizeof(WCHAR));
}

/* Says something of the resource that is true on this node for as long as it is open. */
static void remark(RESOURCE_HANDLE handle)
{
    BYTE list[512], *at = list;
    const DWORD count = 2, number[2] = {CLUSPROP_SYNTAX_LIST_VALUE_ULARGE_INTEGER, 8}, end = 0;
    const DWORD text[2] = {CLUSPROP_SYNTAX_LIST_VALUE_SZ, 10};
    const ULONGLONG data = 0x0000000100000002ULL;
    at = put(at, &count, sizeof(count));
    at = put(put(put_name(at, L"ResourceSpecificData1"), number, sizeof(number)), &data, sizeof(data));
    at = put(at, &end, sizeof(end));
    at = put(put(put_name(at, L"ResourceSpecificStatus"), text, sizeof(text)), L"fine", 10);
    at = put(put(at, L"", sizeof(WCHAR)), &end, sizeof(end));
    if (g_Callbacks.SetResourceInMemoryNodeLocalProperties(handle, list, (DWORD)(at - list)) != ERROR_SUCCESS) abort();
}

static void WINAPI NoticesClose(RESID Id)
{
    called(((NOTICES *)Id)->Name, "Close");
    free(Id);
}

static DWORD WINAPI NoticesOnline(RESID Id, PHANDLE Event, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(Event);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    called(((NOTICES *)Id)->Name, "Online");
    remark(((NOTICES *)Id)->Handle);
    return ERROR_SUCCESS;
}

static DWORD WINAPI NoticesOffline(RESID Id, LPCWSTR Node, DWORD Flags, PBYTE In, DWORD Size, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(Node);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(Size);
    UNREFERENCED_PARAMETER(Reserved);
    called(((NOTICES *)Id)->Name, "Offline");
    return ERROR_SUCCESS;
}

static void WINAPI NoticesTerminate(RESID Id) { called(((NOTICES *)Id)->Name, "Terminate"); }

static BOOL WINAPI NoticesLooksAlive(RESID Id)
{
    UNREFERENCED_PARAMETER(Id);
    return TRUE;
}

static BOOL WINAPI NoticesIsAlive(RESID Id)
{
    UNREFERENCED_PARAMETER(Id);
    return TRUE;
}

static DWORD WINAPI NoticesControl(RESID Id, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize,
                                   LPDWORD Returned)
{
    DWORD wanted = CLUS_CHAR_REQUIRES_STATE_CHANGE_REASON;
    if (Code != CLUSCTL_RESOURCE_GET_CHARACTERISTICS) {
        return control(((NOTICES *)Id)->Name, Code, (const BYTE *)In, InSize);
    }
    if (OutSize < sizeof(wanted)) return ERROR_MORE_DATA;
    memcpy(Out, &wanted, sizeof(wanted));
    *Returned = sizeof(wanted);
    return ERROR_SUCCESS;
}

static DWORD WINAPI NoticesTypeControl(LPCWSTR Type, DWORD Code, PVOID In, DWORD InSize, PVOID Out, DWORD OutSize,
                                       LPDWORD Returned)
{
    UNREFERENCED_PARAMETER(Type);
    UNREFERENCED_PARAMETER(Out);
    UNREFERENCED_PARAMETER(OutSize);
    UNREFERENCED_PARAMETER(Returned);
    return control("type", Code, (const BYTE *)In, InSize);
}

static CLRES_V2_FUNCTION_TABLE(g_Table, CLRES_VERSION_V2_00, Notices, NULL, NULL, NoticesControl, NoticesTypeControl,
                               NULL);

DWORD WINAPI StartupEx(LPCWSTR Type, DWORD Min, DWORD Max, PCLRES_CALLBACK_FUNCTION_TABLE Callbacks,
                       PCLRES_FUNCTION_TABLE *Table)
{
    UNREFERENCED_PARAMETER(Type);
    g_Callbacks = *Callbacks;
    if (Min > CLRES_VERSION_V2_00 || Max < CLRES_VERSION_V2_00) return ERROR_REVISION_MISMATCH;
    *Table = &g_Table;
    return ERROR_SUCCESS;
}
