/*
 * The types, macros and status codes that a resource DLL uses, under Windows' names, for Linux.
 *
 *     cc -shared -fPIC -fshort-wchar -I resource/stead-resapi/include my.c -o my.so
 *
 * Strings of the interface are UTF-16 everywhere, so wchar_t must be 16 bits wide: -fshort-wchar. The C library's own
 * wide functions then do not fit; the ones below, with the same names, do.
 */
#ifndef STEAD_WINDOWS_H
#define STEAD_WINDOWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* First, since its own wide functions are replaced below. */
#ifdef __cplusplus
#include <cwchar>
#else
#include <wchar.h>
#endif

#if __WCHAR_MAX__ > 0xFFFF
#error "wchar_t must be 16 bits wide here: compile with -fshort-wchar"
#endif
#if __SIZEOF_POINTER__ != 8
#error "resource DLLs are 64-bit only"
#endif

#include "sal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WINAPI
#define CALLBACK
#define APIENTRY
#define WINBASEAPI
#define NTAPI
#define PASCAL
#define CDECL
#define _stdcall
#define __stdcall
#define _cdecl
#define __cdecl
#define __fastcall
#define UNALIGNED
#define RESTRICTED_POINTER
#define FORCEINLINE static inline __attribute__((always_inline))
#define __forceinline inline __attribute__((always_inline))
#ifndef __cplusplus
#define __inline inline
#endif
#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
#define STDAPI EXTERN_C HRESULT
#define STDAPI_(type) EXTERN_C type
/* What __declspec says to gcc and clang; without -fvisibility=hidden every function is exported as it is. */
#ifndef __declspec
#define __declspec(specifier) STEAD_DECLSPEC_##specifier
#define STEAD_DECLSPEC_dllexport __attribute__((visibility("default")))
#define STEAD_DECLSPEC_dllimport
#define STEAD_DECLSPEC_noinline __attribute__((noinline))
#define STEAD_DECLSPEC_noreturn __attribute__((noreturn))
#define STEAD_DECLSPEC_nothrow __attribute__((nothrow))
#define STEAD_DECLSPEC_novtable
#define STEAD_DECLSPEC_selectany __attribute__((weak))
#define STEAD_DECLSPEC_thread __thread
#define STEAD_DECLSPEC_align(bytes) __attribute__((aligned(bytes)))
#endif
#define DECLSPEC_IMPORT __declspec(dllimport)
#define DECLSPEC_NORETURN __declspec(noreturn)
#define DECLSPEC_NOINLINE __declspec(noinline)
#define DECLSPEC_ALIGN(bytes) __declspec(align(bytes))
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define INFINITE 0xFFFFFFFFu
/* Nameless structures and unions, as in the headers where NONAMELESSUNION is not defined. */
#define DUMMYSTRUCTNAME
#define DUMMYUNIONNAME
#define MAX_PATH 260
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define UNREFERENCED_LOCAL_VARIABLE(variable) ((void)(variable))
#define DBG_UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(variable) ((void)(variable))
#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#define RTL_NUMBER_OF(array) ARRAYSIZE(array)
#define _countof(array) ARRAYSIZE(array)
/* 32 bits wide, as the Offset of a property item is. */
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#define RTL_FIELD_SIZE(type, field) (sizeof(((type *)0)->field))
#define CONTAINING_RECORD(address, type, field) ((type *)((BYTE *)(address) - offsetof(type, field)))
/* Strings are of 16-bit units; there is no other form of anything. */
#define __TEXT(quote) L##quote
#define TEXT(quote) __TEXT(quote)
#define MAXBYTE 0xFF
#define MAXWORD 0xFFFF
#define MAXDWORD 0xFFFFFFFFu
#define MAXLONG 0x7FFFFFFF
#define MINLONG ((LONG)0x80000000u)
#define UNICODE_NULL ((WCHAR)0)
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3
#define DLL_PROCESS_DETACH 0
#define ZeroMemory(destination, length) __builtin_memset((destination), 0, (length))
#define CopyMemory(destination, source, length) __builtin_memcpy((destination), (source), (length))
#define MoveMemory(destination, source, length) __builtin_memmove((destination), (source), (length))
#define FillMemory(destination, length, fill) __builtin_memset((destination), (fill), (length))
#define EqualMemory(a, b, length) (__builtin_memcmp((a), (b), (length)) == 0)
#define RtlEqualMemory EqualMemory
/* As ZeroMemory, and not left out where nobody reads the memory any more. */
#define SecureZeroMemory(destination, length) stead_secure_zero((destination), (length))
#define RtlSecureZeroMemory SecureZeroMemory
#define RtlZeroMemory ZeroMemory
#define RtlCopyMemory CopyMemory
#define RtlMoveMemory MoveMemory
#define RtlFillMemory FillMemory
#define ULongToPtr(value) ((VOID *)(ULONG_PTR)(ULONG)(value))
#define UlongToPtr ULongToPtr
#define UlongToHandle(value) ((HANDLE)ULongToPtr(value))
#define PtrToUlong(pointer) ((ULONG)(ULONG_PTR)(pointer))
#define HandleToUlong(handle) ((ULONG)(ULONG_PTR)(handle))
#define LOWORD(value) ((WORD)((ULONG_PTR)(value) & 0xFFFF))
#define HIWORD(value) ((WORD)(((ULONG_PTR)(value) >> 16) & 0xFFFF))
#define LOBYTE(value) ((BYTE)((ULONG_PTR)(value) & 0xFF))
#define HIBYTE(value) ((BYTE)(((ULONG_PTR)(value) >> 8) & 0xFF))
#define MAKEWORD(low, high) ((WORD)((BYTE)(low) | (WORD)(BYTE)(high) << 8))
#define MAKELONG(low, high) ((LONG)((WORD)(low) | (DWORD)(WORD)(high) << 16))
#if !defined(NOMINMAX) && !defined(__cplusplus)
#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef max
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif
#endif

typedef int32_t BOOL, *PBOOL, *LPBOOL;
typedef uint8_t BYTE, *PBYTE, *LPBYTE, UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN, UINT8, *PUINT8;
typedef uint16_t WORD, *PWORD, *LPWORD, USHORT, *PUSHORT, UINT16, *PUINT16, ATOM;
typedef uint32_t DWORD, *PDWORD, *LPDWORD, ULONG, *PULONG, UINT, *PUINT, *LPUINT, UINT32, *PUINT32, ULONG32, DWORD32;
typedef int32_t INT, *PINT, *LPINT, LONG, *PLONG, *LPLONG, LSTATUS, HRESULT, NTSTATUS, INT32, *PINT32, LONG32;
typedef int16_t SHORT, *PSHORT, INT16, *PINT16;
typedef int8_t INT8, *PINT8;
typedef float FLOAT;
typedef int64_t LONGLONG, *PLONGLONG, INT64, *PINT64, LONG64, *PLONG64;
typedef uint64_t ULONGLONG, *PULONGLONG, UINT64, *PUINT64, ULONG64, *PULONG64, DWORD64, *PDWORD64, DWORDLONG, *PDWORDLONG;
typedef uintptr_t ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR, UINT_PTR, *PUINT_PTR;
typedef intptr_t LONG_PTR, *PLONG_PTR, INT_PTR, *PINT_PTR, SSIZE_T, *PSSIZE_T;
typedef size_t SIZE_T, *PSIZE_T;
typedef char CHAR, *PCHAR, *PSTR, *LPSTR, *PCH, *LPCH;
typedef const char *PCSTR, *LPCSTR, *LPCCH;
typedef wchar_t WCHAR, *PWCHAR, *PWSTR, *LPWSTR, *PWCH, *LPWCH, *PZZWSTR;
typedef const wchar_t *PCWSTR, *LPCWSTR, *PCWCH, *LPCWCH, *PCZZWSTR;
typedef WCHAR TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef LPCWSTR PCTSTR, LPCTSTR;
typedef void *PVOID, *LPVOID, *HANDLE, **PHANDLE, **LPHANDLE, *HMODULE, *HINSTANCE;
typedef const void *PCVOID, *LPCVOID;
typedef struct HKEY__ *HKEY, **PHKEY;
typedef struct SC_HANDLE__ *SC_HANDLE, **LPSC_HANDLE;
typedef DWORD REGSAM, ACCESS_MASK;
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
typedef union _LARGE_INTEGER {
    struct { DWORD LowPart; LONG HighPart; } DUMMYSTRUCTNAME;
    struct { DWORD LowPart; LONG HighPart; } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;
typedef union _ULARGE_INTEGER {
    struct { DWORD LowPart; DWORD HighPart; } DUMMYSTRUCTNAME;
    struct { DWORD LowPart; DWORD HighPart; } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
typedef struct _SYSTEMTIME {
    WORD wYear; WORD wMonth; WORD wDayOfWeek; WORD wDay; WORD wHour; WORD wMinute; WORD wSecond; WORD wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;
typedef struct _FILETIME { DWORD dwLowDateTime; DWORD dwHighDateTime; } FILETIME, *PFILETIME, *LPFILETIME;
typedef struct _GUID { DWORD Data1; WORD Data2; WORD Data3; BYTE Data4[8]; } GUID, *LPGUID, UUID;

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

/* An event handle is a file descriptor that becomes readable: an eventfd, a pidfd, the read end of a pipe. */
#define STEAD_HANDLE_FROM_FD(fd) ((HANDLE)(LONG_PTR)(fd))
#define STEAD_FD_FROM_HANDLE(handle) ((int)(LONG_PTR)(handle))

static inline PVOID stead_secure_zero(PVOID destination, SIZE_T length)
{
    __builtin_memset(destination, 0, length);
    __asm__ volatile("" : : "r"(destination) : "memory");
    return destination;
}

/* There is nothing to switch off: the Resource Monitor tells DllMain of its process, and of no threads. */
static inline BOOL DisableThreadLibraryCalls(HMODULE hLibModule)
{
    (void)hLibModule;
    return TRUE;
}

/* The last error of the calling thread; provided by the Resource Monitor. */
void SetLastError(DWORD dwErrCode);
DWORD GetLastError(void);

/* Values of the cluster database. */
#define REG_NONE 0
#define REG_SZ 1
#define REG_EXPAND_SZ 2
#define REG_BINARY 3
#define REG_DWORD 4
#define REG_MULTI_SZ 7
#define REG_QWORD 11
#define KEY_QUERY_VALUE 0x0001
#define KEY_SET_VALUE 0x0002
#define KEY_CREATE_SUB_KEY 0x0004
#define KEY_ENUMERATE_SUB_KEYS 0x0008
#define KEY_READ 0x20019
#define KEY_WRITE 0x20006
#define KEY_ALL_ACCESS 0xF003F

/*
 * A small part of the system; provided by libresutils.so. Blocks are aligned to 16 and never move.
 */
#define LMEM_FIXED 0x0000
#define LMEM_MOVEABLE 0x0002
#define LMEM_ZEROINIT 0x0040
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)
#define HEAP_ZERO_MEMORY 0x00000008
#define WAIT_OBJECT_0 0
#define MAXIMUM_WAIT_OBJECTS 64
#define WAIT_FAILED 0xFFFFFFFFu

typedef HANDLE HLOCAL;
typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength; LPVOID lpSecurityDescriptor; BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;
/* Opaque. Zeroed, it is initialised by its first use. */
typedef struct _CRITICAL_SECTION { PVOID Handle; ULONGLONG Reserved[4]; } CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

HLOCAL WINAPI LocalAlloc(UINT uFlags, SIZE_T uBytes);
HLOCAL WINAPI LocalFree(HLOCAL hMem);
HLOCAL WINAPI LocalReAlloc(HLOCAL hMem, SIZE_T uBytes, UINT uFlags);
SIZE_T WINAPI LocalSize(HLOCAL hMem);
HANDLE WINAPI GetProcessHeap(void);
LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes);
BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem);
LPVOID WINAPI HeapReAlloc(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes);
/* Events have no names: they are of one process. STEAD_FD_FROM_HANDLE gives the descriptor to poll. */
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset, BOOL bInitialState, LPCWSTR lpName);
BOOL WINAPI SetEvent(HANDLE hEvent);
BOOL WINAPI ResetEvent(HANDLE hEvent);
/* For events, other descriptors, and hThread of a worker. */
DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);
DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll, DWORD dwMilliseconds);
/* For what CreateEventW and ClusWorkerCreate made; a descriptor of another origin is closed with close. */
BOOL WINAPI CloseHandle(HANDLE hObject);
BOOL WINAPI CloseServiceHandle(SC_HANDLE hSCObject);
void WINAPI Sleep(DWORD dwMilliseconds);
DWORD WINAPI GetTickCount(void);
ULONGLONG WINAPI GetTickCount64(void);
DWORD WINAPI GetCurrentThreadId(void);
DWORD WINAPI GetCurrentProcessId(void);
void WINAPI InitializeCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
void WINAPI EnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
void WINAPI LeaveCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
void WINAPI DeleteCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
DWORD WINAPI GetEnvironmentVariableW(LPCWSTR lpName, LPWSTR lpBuffer, DWORD nSize);
DWORD WINAPI ExpandEnvironmentStringsW(LPCWSTR lpSrc, LPWSTR lpDst, DWORD nSize);
BOOL WINAPI GetComputerNameW(LPWSTR lpBuffer, LPDWORD nSize);
#define CreateEvent CreateEventW
#define GetEnvironmentVariable GetEnvironmentVariableW
#define ExpandEnvironmentStrings ExpandEnvironmentStringsW
#define GetComputerName GetComputerNameW
#define MAX_COMPUTERNAME_LENGTH 255

/* Nothing spins here. */
static inline BOOL InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION lpCriticalSection, DWORD dwSpinCount)
{
    (void)dwSpinCount;
    InitializeCriticalSection(lpCriticalSection);
    return TRUE;
}

static inline LONG InterlockedIncrement(LONG volatile *addend) { return __atomic_add_fetch(addend, 1, __ATOMIC_SEQ_CST); }
static inline LONG InterlockedDecrement(LONG volatile *addend) { return __atomic_sub_fetch(addend, 1, __ATOMIC_SEQ_CST); }
static inline LONG InterlockedExchange(LONG volatile *target, LONG value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedExchangeAdd(LONG volatile *addend, LONG value)
{
    return __atomic_fetch_add(addend, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedCompareExchange(LONG volatile *destination, LONG exchange, LONG comparand)
{
    __atomic_compare_exchange_n(destination, &comparand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return comparand;
}
static inline LONG64 InterlockedIncrement64(LONG64 volatile *addend) { return __atomic_add_fetch(addend, 1, __ATOMIC_SEQ_CST); }
static inline LONG64 InterlockedDecrement64(LONG64 volatile *addend) { return __atomic_sub_fetch(addend, 1, __ATOMIC_SEQ_CST); }
static inline LONG64 InterlockedExchange64(LONG64 volatile *target, LONG64 value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedCompareExchange64(LONG64 volatile *destination, LONG64 exchange, LONG64 comparand)
{
    __atomic_compare_exchange_n(destination, &comparand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return comparand;
}
static inline PVOID InterlockedExchangePointer(PVOID volatile *target, PVOID value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline PVOID InterlockedCompareExchangePointer(PVOID volatile *destination, PVOID exchange, PVOID comparand)
{
    __atomic_compare_exchange_n(destination, &comparand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return comparand;
}

#include "stead_wide.h"

#include "winerror.h"

/* Text between UTF-16 and UTF-8; provided by libresutils.so. */
#define CP_ACP 0
#define CP_UTF8 65001
#define WC_ERR_INVALID_CHARS 0x80
#define MB_ERR_INVALID_CHARS 0x8
int WINAPI WideCharToMultiByte(UINT CodePage, DWORD dwFlags, LPCWSTR lpWideCharStr, int cchWideChar,
                               LPSTR lpMultiByteStr, int cbMultiByte, LPCSTR lpDefaultChar, BOOL *lpUsedDefaultChar);
int WINAPI MultiByteToWideChar(UINT CodePage, DWORD dwFlags, LPCSTR lpMultiByteStr, int cbMultiByte,
                               LPWSTR lpWideCharStr, int cchWideChar);

#ifdef __cplusplus
}
#endif

#endif
