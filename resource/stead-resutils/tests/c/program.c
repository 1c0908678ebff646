/*
 * What a portable resource DLL does with libresutils.so, as the documentation tells authors: a worker that brings a
 * resource online, a property table, and private properties handled with a parameter block.
 */
#include <resutils.h>
#include <strsafe.h>
#include <poll.h>
#include <stdio.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

/* An imitation of the cluster database: a few values of one key. */
static struct { WCHAR name[64]; DWORD type; BYTE data[256]; DWORD size; BOOL used; } values[16];
static __thread DWORD last_error;
static const HKEY the_key = (HKEY)0x1234;

void SetLastError(DWORD code) { last_error = code; }
DWORD GetLastError(void) { return last_error; }

static int find(LPCWSTR name)
{
    for (int i = 0; i < 16; i++)
        if (values[i].used && _wcsicmp(values[i].name, name) == 0)
            return i;
    return -1;
}

LONG ClusterRegQueryValue(HKEY key, LPCWSTR name, LPDWORD type, LPBYTE data, LPDWORD size)
{
    int at = find(name);
    DWORD room = *size;
    CHECK(key == the_key);
    if (at < 0)
        return ERROR_FILE_NOT_FOUND;
    *size = values[at].size;
    if (room < values[at].size)
        return ERROR_MORE_DATA;
    *type = values[at].type;
    CopyMemory(data, values[at].data, values[at].size);
    return 0;
}

DWORD ClusterRegSetValue(HKEY key, LPCWSTR name, DWORD type, const BYTE *data, DWORD size)
{
    int at = find(name);
    CHECK(key == the_key && size <= 256);
    for (int i = 0; at < 0; i++)
        if (!values[i].used)
            at = i;
    values[at].used = TRUE;
    values[at].type = type;
    values[at].size = size;
    CHECK(StringCchCopyW(values[at].name, 64, name) == S_OK);
    CopyMemory(values[at].data, data, size);
    return 0;
}

typedef struct PROPERTIES { DWORD Port; PWSTR Path; PWSTR Hosts; DWORD HostsSize; ULONGLONG Quota; } PROPERTIES;

static RESUTIL_ULARGEINT_DATA quota = { { { 1, 0 } }, { { 0, 0 } }, { { 100, 0 } } };
static RESUTIL_PROPERTY_ITEM table[] = {
    { L"Port", NULL, CLUSPROP_FORMAT_DWORD, { 80 }, 1, 65535, 0, offsetof(PROPERTIES, Port) },
    { L"Path", NULL, CLUSPROP_FORMAT_SZ, { (ULONGLONG)0 }, 0, 0, RESUTIL_PROPITEM_REQUIRED, offsetof(PROPERTIES, Path) },
    { L"Hosts", NULL, CLUSPROP_FORMAT_MULTI_SZ, { (ULONGLONG)0 }, 0, 0, 0, offsetof(PROPERTIES, Hosts) },
    { L"Quota", NULL, CLUSPROP_FORMAT_ULARGE_INTEGER, { (ULONGLONG)0 }, 0, 0, 0, offsetof(PROPERTIES, Quota) },
    { NULL, NULL, 0, { 0 }, 0, 0, 0, 0 },
};

static CRITICAL_SECTION guard;
static LONG volatile rounds;
static HANDLE ready;

static DWORD WINAPI work(PCLUS_WORKER worker, LPVOID parameter)
{
    CHECK(parameter == &rounds);
    EnterCriticalSection(&guard);
    EnterCriticalSection(&guard);
    InterlockedIncrement(&rounds);
    LeaveCriticalSection(&guard);
    LeaveCriticalSection(&guard);
    CHECK(SetEvent(ready));
    /* To wait for oneself must not be for ever. */
    CHECK(ClusWorkerTerminateEx(worker, INFINITE, TRUE) == WAIT_TIMEOUT);
    while (!ClusWorkerCheckTerminate(worker))
        Sleep(1);
    return 0;
}

static void workers(void)
{
    CLUS_WORKER worker;
    ZeroMemory(&worker, sizeof(worker));
    InitializeCriticalSection(&guard);
    ready = CreateEventW(NULL, FALSE, FALSE, NULL);
    CHECK(ready != NULL);
    ClusWorkerTerminate(&worker);
    for (int i = 1; i <= 3; i++) {
        CHECK(ClusWorkerCreate(&worker, work, (LPVOID)&rounds) == ERROR_SUCCESS);
        CHECK(WaitForSingleObject(ready, 30000) == WAIT_OBJECT_0);
        CHECK(WaitForSingleObject(ready, 0) == WAIT_TIMEOUT);
        CHECK(rounds == i);
        CHECK(ClusWorkerCreate(&worker, work, (LPVOID)&rounds) == ERROR_BUSY);
        CHECK(WaitForSingleObject(worker.hThread, 1) == WAIT_TIMEOUT);
        ClusWorkerTerminate(&worker);
        CHECK(worker.hThread == NULL && worker.Terminate);
    }
    struct pollfd asked = { STEAD_FD_FROM_HANDLE(ready), POLLIN, 0 };
    CHECK(SetEvent(ready) && poll(&asked, 1, 0) == 1);
    CHECK(ResetEvent(ready) && poll(&asked, 1, 0) == 0);
    CHECK(CloseHandle(ready) && !CloseHandle(ready));
    DeleteCriticalSection(&guard);
}

/* Appends a property with one value to a list. */
static DWORD add(BYTE *list, DWORD at, LPCWSTR name, DWORD syntax, const void *data, DWORD size)
{
    DWORD header[2] = { CLUSPROP_SYNTAX_NAME, (DWORD)(wcslen(name) + 1) * 2 };
    CopyMemory(list + at, header, 8);
    CopyMemory(list + at + 8, name, header[1]);
    at += 8 + ((header[1] + 3) & ~3u);
    header[0] = syntax;
    header[1] = size;
    CopyMemory(list + at, header, 8);
    CopyMemory(list + at + 8, data, size);
    at += 8 + ((size + 3) & ~3u);
    ZeroMemory(list + at, 4);
    (*(DWORD *)list)++;
    return at + 4;
}

static void properties(void)
{
    _Alignas(8) BYTE list[1024] = { 0 };
    PROPERTIES now, next;
    DWORD size = 4, port = 8080, returned = 0, required = 0, room = sizeof(list);
    LPWSTR wrong = NULL, path = NULL;
    table[3].ULargeIntData = &quota;
    ZeroMemory(&now, sizeof(now));
    CHECK(ResUtilGetPropertiesToParameterBlock(the_key, table, (LPBYTE)&now, TRUE, &wrong) != ERROR_SUCCESS);
    CHECK(wrong == table[1].Name);
    CHECK(ResUtilGetPropertiesToParameterBlock(the_key, table, (LPBYTE)&now, FALSE, NULL) == ERROR_SUCCESS);
    CHECK(now.Port == 80 && now.Path == NULL && now.Quota == 1);

    size = add(list, size, L"port", CLUSPROP_SYNTAX_LIST_VALUE_DWORD, &port, 4);
    size = add(list, size, L"Path", CLUSPROP_SYNTAX_LIST_VALUE_SZ, L"/srv", 10);
    CHECK(ResUtilDupParameterBlock((LPBYTE)&next, (LPBYTE)&now, table) == ERROR_SUCCESS);
    CHECK(ResUtilVerifyPropertyTable(table, NULL, FALSE, list, size, (LPBYTE)&next) == ERROR_SUCCESS);
    CHECK(next.Port == 8080 && wcscmp(next.Path, L"/srv") == 0);
    CHECK(ResUtilSetPropertyParameterBlock(the_key, table, NULL, (LPBYTE)&next, list, size, (LPBYTE)&now) == 0);
    ResUtilFreeParameterBlock((LPBYTE)&next, (LPBYTE)&now, table);
    CHECK(now.Port == 8080 && wcscmp(now.Path, L"/srv") == 0 && next.Path == NULL);
    CHECK(find(L"Port") >= 0 && values[find(L"Port")].type == REG_DWORD);

    CHECK(ResUtilPropertyListFromParameterBlock(table, list, &room, (LPBYTE)&now, &returned, &required) == 0);
    CHECK(returned == required && ResUtilFindDwordProperty(list, returned, L"PORT", &port) == 0 && port == 8080);
    CHECK(ResUtilFindSzProperty(list, returned, L"Path", &path) == 0 && wcscmp(path, L"/srv") == 0);
    CHECK(LocalFree(path) == NULL && LocalFree(path) == path && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(ResUtilFindDwordProperty(list, returned, L"Nothing", &port) == ERROR_FILE_NOT_FOUND);
    path = ResUtilGetSzValue(the_key, L"Path");
    CHECK(path != NULL && wcscmp(path, L"/srv") == 0 && LocalFree(path) == NULL);

    port = 0;
    ZeroMemory(list, 4);
    size = add(list, 4, L"Port", CLUSPROP_SYNTAX_LIST_VALUE_DWORD, &port, 4);
    CHECK(ResUtilVerifyPropertyTable(table, NULL, FALSE, list, size, NULL) == ERROR_INVALID_PARAMETER);
    CHECK(ResUtilVerifyPropertyTable(table, NULL, FALSE, list, size - 1, NULL) == ERROR_INSUFFICIENT_BUFFER);
    ResUtilFreeParameterBlock((LPBYTE)&now, NULL, table);
}

static void strings(void)
{
    WCHAR text[32], *context = NULL, *end = NULL;
    CHECK(StringCchPrintfW(text, 32, L"%s|%5d|%-4u|%08X|%I64d", L"w", -3, 7u, 0xBEEFu, (LONG64)-1) == S_OK);
    CHECK(wcscmp(text, L"w|   -3|7   |0000BEEF|-1") == 0);
    CHECK(StringCchPrintfW(text, 6, L"%S%c", "narrow", 'x') == STRSAFE_E_INSUFFICIENT_BUFFER);
    CHECK(wcscmp(text, L"narro") == 0);
    CHECK(StringCchPrintfW(text, 32, L"%.2s%%%lu%p", L"abc", 5u, (void *)1) == S_OK);
    CHECK(wcscmp(text, L"ab%50000000000000001") == 0);
    CHECK(StringCchPrintfW(text, 32, L"%n", &end) == STRSAFE_E_INVALID_PARAMETER);
    CHECK(StringCchCopyW(text, 4, L"abcdef") == STRSAFE_E_INSUFFICIENT_BUFFER && wcslen(text) == 3);
    CHECK(StringCchCatW(text, 32, L"-z") == S_OK && wcscmp(text, L"abc-z") == 0);
    CHECK(wcsrchr(text, L'-') == text + 3 && wcsstr(text, L"c-") == text + 2 && wcsstr(text, L"q") == NULL);
    CHECK(wcstoul(L" 0xFFFFFFFFF", &end, 0) == 0xFFFFFFFFu && *end == 0);
    CHECK(wcstol(L"-99999999999", NULL, 10) == INT32_MIN && wcstol(L"x", &end, 10) == 0 && *end == L'x');
    CHECK(_wtoi(L"42kg") == 42 && _wcsnicmp(L"ABc", L"abd", 2) == 0 && _wcsnicmp(L"abc", L"abd", 3) < 0);
    lstrcpyW(text, L",a,,b");
    CHECK(wcscmp(wcstok(text, L",", &context), L"a") == 0 && wcscmp(wcstok(NULL, L",", &context), L"b") == 0);
    CHECK(wcstok(NULL, L",", &context) == NULL);
    CHECK(wcscmp(lstrcpynW(text, L"abcdef", 3), L"ab") == 0 && wcscmp(lstrcatW(text, L"c"), L"abc") == 0);
    LPWSTR copy = wcsdup(L"copy");
    CHECK(copy != NULL && wcscmp(copy, L"copy") == 0);
    free(copy);
    LONG volatile number = 1;
    LONG64 volatile large = 1;
    CHECK(InterlockedCompareExchange(&number, 5, 1) == 1 && InterlockedExchange(&number, 6) == 5);
    CHECK(InterlockedDecrement(&number) == 5 && InterlockedIncrement64(&large) == 2);
    CHECK(MAKELONG(1, 2) == 0x20001 && HIWORD(0x20001) == 2 && min(1, 2) == 1 && max(1, 2) == 2);
}

int main(void)
{
    workers();
    properties();
    strings();
    puts("all well");
    return 0;
}
