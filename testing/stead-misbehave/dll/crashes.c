/* Behaviours that end the process, or the thread, that they are called in. */
#include "misbehave.h"

#include <setjmp.h>
#include <unwind.h>

DWORD null_deref(struct resource *resource)
{
    (void)resource;
    *g_Nowhere = 1;
    return GO_ON;
}

DWORD abort_now(struct resource *resource)
{
    (void)resource;
    abort();
}

static unsigned deeper(volatile char *above, unsigned depth)
{
    volatile char room[4096];
    room[0] = above[0];
    return depth == 0xFFFFFFFF ? 0 : deeper(room, depth + 1) + (unsigned)room[0];
}

DWORD overflow_stack(struct resource *resource)
{
    volatile char first = 1;
    (void)resource;
    return deeper(&first, 0) == 1 ? 1 : GO_ON;
}

DWORD exit_now(struct resource *resource)
{
    (void)resource;
    exit(0);
}

static void *exit_soon(void *resource)
{
    (void)resource;
    nap(200);
    _exit(0);
}

DWORD exit_from_thread(struct resource *resource)
{
    aside(resource, exit_soon);
    return GO_ON;
}

static void *use_heap(void *pointer)
{
    nap(100);
    free(((struct resource *)pointer)->Scratch);
    return NULL;
}

DWORD smash_heap(struct resource *resource)
{
    volatile unsigned char *room = malloc(64);
    resource->Scratch = (void *)room;
    /* The sizes of this piece and of the next one, and beyond. */
    for (int at = -16; at < 512; at++) room[at] = 0x41;
    aside(resource, use_heap);
    return GO_ON;
}

DWORD free_handle(struct resource *resource)
{
    void *volatile handle = resource->Handle;
    free(handle);
    return GO_ON;
}

DWORD close_keys_twice(struct resource *resource)
{
    HKEY key = NULL;
    DWORD size = 0;
    if (ClusterRegOpenKey(resource->Key, L"Parameters", KEY_READ, &key) != ERROR_SUCCESS) return 1;
    if (ClusterRegCloseKey(key) != ERROR_SUCCESS) return 2;
    if (ClusterRegCloseKey(key) == ERROR_SUCCESS) return 3;
    if (ClusterRegQueryValue(key, L"Behaviour", NULL, NULL, &size) == ERROR_SUCCESS) return 4;
    if (ClusterRegQueryValue((HKEY)resource, L"Behaviour", NULL, NULL, &size) == ERROR_SUCCESS) return 5;
    say(resource, L"dead handles were refused");
    return GO_ON;
}

static jmp_buf g_Place;

static __attribute__((noinline)) int remember(void)
{
    return setjmp(g_Place);
}

DWORD jump_out(struct resource *resource)
{
    (void)resource;
    if (remember() == 0) longjmp(g_Place, 1);
    return GO_ON;
}

static void forget(_Unwind_Reason_Code reason, struct _Unwind_Exception *exception)
{
    (void)reason;
    (void)exception;
}

/* What `throw` of C++ does, down to ending the process when nobody catches. */
DWORD throw_out(struct resource *resource)
{
    static struct _Unwind_Exception exception;
    (void)resource;
    memcpy(&exception.exception_class, "STEDC++", 8);
    exception.exception_cleanup = forget;
    _Unwind_RaiseException(&exception);
    abort();
}

DWORD leave_thread(struct resource *resource)
{
    (void)resource;
    pthread_exit(NULL);
}

static void never(void)
{
    hang();
}

DWORD hang_at_exit(struct resource *resource)
{
    atexit(never);
    say(resource, L"the exit handler waits");
    return GO_ON;
}

DWORD write_past_buffer(struct resource *resource)
{
    /* A few bytes: a heap would keep quiet about them. */
    volatile unsigned char *out = resource->Control.Out;
    for (DWORD at = 0; at < 8; at++) out[resource->Control.OutSize + at] = 0x41;
    *resource->Control.Returned = 4;
    return ERROR_SUCCESS;
}

static volatile unsigned char *g_Kept;

static void *write_soon(void *resource)
{
    (void)resource;
    nap(200);
    g_Kept[0] = 0x41;
    return NULL;
}

DWORD write_late(struct resource *resource)
{
    if (resource->Control.OutSize == 0) return GO_ON;
    g_Kept = resource->Control.Out;
    *resource->Control.Returned = 0;
    aside(resource, write_soon);
    return ERROR_SUCCESS;
}
