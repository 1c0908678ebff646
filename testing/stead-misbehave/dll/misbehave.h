/*
 * A resource DLL that behaves well unless its private property Behaviour says otherwise. One behaviour is one function,
 * run at the beginning of one entry point; the table of all of them is in misbehave.c, what must hold when they run is in
 * src/table.rs.
 */
#ifndef MISBEHAVE_H
#define MISBEHAVE_H

#define _GNU_SOURCE
#include <windows.h>
#include <clusapi.h>
#include <resapi.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum entry { ON_STARTUP, ON_OPEN, ON_ONLINE, ON_OFFLINE, ON_TERMINATE, ON_CLOSE, ON_LOOKS_ALIVE, ON_IS_ALIVE, ON_CONTROL };

/* What a behaviour returns when the entry point is to go on as if nothing had happened. */
#define GO_ON 0xFFFFFFFFu

/* What an entry point returns that failed: ERROR_GEN_FAILURE of Windows. */
#define FAILED_HERE 31u

struct control {
    DWORD Code;
    PVOID Out;
    DWORD OutSize;
    LPDWORD Returned;
};

struct resource {
    RESOURCE_HANDLE Handle;
    HKEY Key;
    HKEY Parameters;
    pthread_mutex_t Lock;
    pid_t Child;
    HANDLE Event;
    int Online;
    volatile int Terminated;
    struct control Control;
    void *Scratch;
    /* A thread that nobody waits for has been started with this. */
    volatile int Aside;
    const struct behaviour *Behaviour;
    char File[512];
    char Program[512];
    char Data[512];
};

typedef DWORD (*behave)(struct resource *);

struct behaviour {
    const char *Name;
    enum entry Entry;
    behave Act;
};

extern CLRES_CALLBACK_FUNCTION_TABLE g_Callbacks;

/* An address where nothing is, which the compiler must not see through. */
extern volatile int *volatile g_Nowhere;

void hang(void);
void nap(unsigned milliseconds);
/* The child of a resource that behaves well: a process that lives until it is told to end. */
pid_t child(struct resource *resource);
DWORD report(RESOURCE_HANDLE handle, LONG state, DWORD checkpoint);
void say(struct resource *resource, const WCHAR *text);
/* Runs `thread` with the resource as its argument. */
void aside(struct resource *resource, void *(*thread)(void *));

/* crashes.c */
DWORD null_deref(struct resource *), abort_now(struct resource *), overflow_stack(struct resource *);
DWORD exit_now(struct resource *), exit_from_thread(struct resource *), smash_heap(struct resource *);
DWORD free_handle(struct resource *), close_keys_twice(struct resource *), jump_out(struct resource *);
DWORD throw_out(struct resource *), leave_thread(struct resource *), hang_at_exit(struct resource *);
DWORD write_past_buffer(struct resource *), write_late(struct resource *);
/* hangs.c */
DWORD block(struct resource *), spin(struct resource *), swallow_faults(struct resource *);
DWORD block_signals(struct resource *), stop_self(struct resource *), wait_for_self(struct resource *);
DWORD block_until_terminated(struct resource *);
/* reports.c */
DWORD pending_silent(struct resource *), pending_for_ever(struct resource *), report_early(struct resource *);
DWORD report_twice(struct resource *), report_nonsense(struct resource *), log_nonsense(struct resource *);
DWORD storm(struct resource *), report_after_close(struct resource *), call_for_ever(struct resource *);
DWORD count_calls(struct resource *), lie(struct resource *), nonsense_lists(struct resource *);
/* processes.c */
DWORD daemonise(struct resource *), fork_both(struct resource *), fork_bomb(struct resource *);
DWORD leave_cgroup(struct resource *), deaf_child(struct resource *), trace_siblings(struct resource *);
DWORD kill_everything(struct resource *), keep_process(struct resource *), steal_messages(struct resource *);
/* descriptors.c */
DWORD close_everything(struct resource *), garbage_everywhere(struct resource *), cover_link(struct resource *);
DWORD many_descriptors(struct resource *), flood_output(struct resource *), fill_disk(struct resource *);
DWORD leak_memory(struct resource *), lock_memory(struct resource *), change_process(struct resource *);
DWORD grab_socket(struct resource *), change_clock(struct resource *), restart_machine(struct resource *);

#endif
