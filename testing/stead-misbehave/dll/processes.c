/* Behaviours with processes: those that get away, those that are too many, those that go for others. */
#include "misbehave.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void rest(void)
{
    for (;;) pause();
}

DWORD daemonise(struct resource *resource)
{
    pid_t first = fork();
    if (first == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            (void)!chdir("/");
            rest();
        }
        _exit(0);
    }
    waitpid(first, NULL, 0);
    say(resource, L"the daemon lives");
    return GO_ON;
}

static pid_t g_Copy;

static void *await_copy(void *resource)
{
    waitpid(g_Copy, NULL, 0);
    say((struct resource *)resource, L"the copy has ended");
    return NULL;
}

/* The copy says that it failed: whoever believes it has two monitors on one link. */
DWORD fork_both(struct resource *resource)
{
    g_Copy = fork();
    if (g_Copy <= 0) return FAILED_HERE;
    aside(resource, await_copy);
    return GO_ON;
}

DWORD fork_bomb(struct resource *resource)
{
    if (fork() == 0) {
        for (unsigned turn = 0;; turn++) {
            if (fork() < 0) usleep(100000);
        }
    }
    /* Time enough to fill every table there is. */
    nap(1500);
    say(resource, L"the bomb has gone off");
    return GO_ON;
}

DWORD leave_cgroup(struct resource *resource)
{
    if (fork() == 0) {
        static const char *const tops[] = {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs",
                                           "/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/cpu/cgroup.procs"};
        for (size_t at = 0; at < sizeof(tops) / sizeof(tops[0]); at++) {
            int file = open(tops[at], O_WRONLY | O_CLOEXEC);
            if (file >= 0) (void)!write(file, "0", 1);
        }
        setsid();
        rest();
    }
    nap(100);
    say(resource, L"the child has left");
    return GO_ON;
}

DWORD deaf_child(struct resource *resource)
{
    if (fork() == 0) {
        for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
        rest();
    }
    say(resource, L"the child is deaf");
    return GO_ON;
}

DWORD trace_siblings(struct resource *resource)
{
    pid_t prey = fork();
    if (prey == 0) rest();
    if (fork() == 0) {
        if (ptrace(PTRACE_SEIZE, prey, 0, (void *)(long)PTRACE_O_EXITKILL) != 0) _exit(1);
        rest();
    }
    nap(100);
    kill(prey, SIGSTOP);
    say(resource, L"the sibling is stopped");
    return GO_ON;
}

DWORD kill_everything(struct resource *resource)
{
    /* Without a namespace of its own this would be the end of the machine, not of the monitor. */
    if (getppid() != 1 || getpid() > 100 || getenv("STEAD_HOST_PROC") == NULL) {
        say(resource, L"there is no namespace");
        return FAILED_HERE;
    }
    kill(getppid(), SIGKILL);
    kill(1, SIGKILL);
    kill(1, SIGTERM);
    kill(1, SIGSTOP);
    kill(-1, SIGKILL);
    say(resource, L"everything in reach is dead");
    return GO_ON;
}

/* Says that it is offline, and leaves its process running. */
DWORD keep_process(struct resource *resource)
{
    (void)resource;
    return ERROR_SUCCESS;
}

/* A child that reads standard input must not see what the node tells the monitor, nor speak in its name. */
DWORD steal_messages(struct resource *resource)
{
    pid_t thief = fork();
    int status = 0;
    if (thief == 0) {
        char *arguments[] = {"sh", "-c",
                             "read -r -t 1 line && exit 1\n"
                             "for fd in /proc/self/fd/*; do\n"
                             "  case $(readlink \"$fd\") in socket:*|*stead-board*) exit 2;; esac\n"
                             "done\n"
                             "exit 0",
                             NULL};
        execv("/bin/bash", arguments);
        _exit(3);
    }
    waitpid(thief, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1000 + (DWORD)WEXITSTATUS(status);
    say(resource, L"there was nothing to steal");
    return GO_ON;
}
