/* Behaviours that do not come back, or not in time. */
#include "misbehave.h"

#include <errno.h>

DWORD block(struct resource *resource)
{
    (void)resource;
    hang();
    return GO_ON;
}

DWORD spin(struct resource *resource)
{
    volatile unsigned long turns = 0;
    (void)resource;
    for (;;) turns++;
    return GO_ON;
}

static void swallow(int signal)
{
    (void)signal;
}

/* The handler returns to the instruction that faulted, which faults again. */
DWORD swallow_faults(struct resource *resource)
{
    (void)resource;
    signal(SIGSEGV, swallow);
    signal(SIGCHLD, swallow);
    *g_Nowhere = 1;
    return GO_ON;
}

static void *block_too(void *resource)
{
    sigset_t all;
    (void)resource;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    hang();
    return NULL;
}

DWORD block_signals(struct resource *resource)
{
    for (int count = 0; count < 4; count++) aside(resource, block_too);
    block_too(resource);
    return GO_ON;
}

DWORD stop_self(struct resource *resource)
{
    (void)resource;
    raise(SIGSTOP);
    return GO_ON;
}

/* A request that waited for the end of this call would wait for ever. */
DWORD wait_for_self(struct resource *resource)
{
    char line[1600];
    snprintf(line, sizeof(line), "%s resource offline %s --data '%s'", resource->Program, resource->File, resource->Data);
    if (system(line) != 0) say(resource, L"the cluster refused");
    return GO_ON;
}

DWORD block_until_terminated(struct resource *resource)
{
    while (!resource->Terminated) nap(5);
    nap(300);
    return GO_ON;
}
