/* Behaviours with descriptors, memory, disk, and what belongs to the whole process. */
#include "misbehave.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

DWORD close_everything(struct resource *resource)
{
    (void)resource;
    for (int file = 0; file < 1024; file++) close(file);
    return ERROR_SUCCESS;
}

DWORD garbage_everywhere(struct resource *resource)
{
    char garbage[4096];
    (void)resource;
    memset(garbage, 0xA5, sizeof(garbage));
    for (int file = 0; file < 1024; file++) {
        if (fcntl(file, F_GETFD) < 0) continue;
        fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
        (void)!write(file, garbage, sizeof(garbage));
        (void)!pwrite(file, garbage, sizeof(garbage), 40);
    }
    return GO_ON;
}

DWORD cover_link(struct resource *resource)
{
    int null = open("/dev/null", O_RDWR);
    (void)resource;
    for (int file = 0; file < 1024; file++) {
        struct stat status;
        if (fstat(file, &status) == 0 && S_ISSOCK(status.st_mode)) dup2(null, file);
    }
    return GO_ON;
}

DWORD many_descriptors(struct resource *resource)
{
    int opened = 0, refused = 0;
    WCHAR text[64];
    char line[64];
    static int made[100000];
    for (; opened < 100000; opened++) {
        made[opened] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (made[opened] < 0) {
            refused = errno;
            break;
        }
    }
    for (int at = 0; at < opened; at++) close(made[at]);
    snprintf(line, sizeof(line), "%s", refused == EMFILE ? "the limit on descriptors holds" : "100000 were opened");
    for (size_t at = 0; at <= strlen(line); at++) text[at] = (WCHAR)line[at];
    say(resource, text);
    return GO_ON;
}

DWORD leak_memory(struct resource *resource)
{
    (void)resource;
    /* Ends at 8 GiB, so that a machine without limits survives this test. */
    for (int count = 0; count < 128; count++) {
        char *room = malloc(64 << 20);
        if (room == NULL) {
            say(resource, L"there is no more memory");
            return ERROR_NOT_ENOUGH_MEMORY;
        }
        memset(room, 1, 64 << 20);
    }
    return ERROR_SUCCESS;
}

DWORD lock_memory(struct resource *resource)
{
    size_t size = (size_t)1 << 40;
    void *huge = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int locked = huge != MAP_FAILED && mlock(huge, (size_t)256 << 20) == 0;
    if (locked) say(resource, L"256 MiB were locked");
    if (huge != MAP_FAILED) munmap(huge, size);
    say(resource, L"memory was let go");
    return GO_ON;
}

static void *flood(void *pointer)
{
    static char line[4096];
    struct resource *resource = pointer;
    memset(line, 'f', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (int count = 0; count < 16384; count++) {
        if (write(1, line, sizeof(line)) < 0) break;
    }
    say(resource, L"64 MiB were printed");
    return NULL;
}

DWORD flood_output(struct resource *resource)
{
    aside(resource, flood);
    return GO_ON;
}

DWORD fill_disk(struct resource *resource)
{
    static char block[1 << 20];
    int file = open(resource->File, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    DWORD written = 0;
    signal(SIGXFSZ, SIG_IGN);
    /* Ends at 256 MiB, so that a machine without limits survives this test. */
    for (; file >= 0 && written < 256; written++) {
        if (write(file, block, sizeof(block)) < (ssize_t)sizeof(block)) break;
    }
    if (file >= 0) close(file);
    if (written < 256) say(resource, L"the limit on files holds");
    return GO_ON;
}

DWORD change_process(struct resource *resource)
{
    struct rlimit none = {0, 0};
    (void)!chdir("/proc");
    umask(0777);
    setlocale(LC_ALL, "C");
    putenv("PATH=");
    putenv("STEAD_HOST_PROC=");
    for (int number = 1; number < 32; number++) {
        if (number != SIGSEGV && number != SIGABRT) signal(number, SIG_IGN);
    }
    setrlimit(RLIMIT_NOFILE, &none);
    say(resource, L"nothing is as it was");
    return ERROR_SUCCESS;
}

/* Takes the place of the node's socket. */
DWORD grab_socket(struct resource *resource)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/node.sock", resource->Data);
    if (bind(made, (struct sockaddr *)&address, sizeof(address)) == 0) say(resource, L"the socket was free to grab");
    else say(resource, L"the socket is taken");
    close(made);
    return GO_ON;
}

/* True if this process, or a program that it starts, holds a capability: then nothing is tried that the machine would feel. */
static int holds(int capability)
{
    char line[256];
    int held = 0;
    FILE *status = fopen("/proc/thread-self/status", "r");
    if (status == NULL) return 1;
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "CapPrm:", 7) != 0 && strncmp(line, "CapEff:", 7) != 0 && strncmp(line, "CapBnd:", 7) != 0) continue;
        held |= (int)(strtoull(line + 7, NULL, 16) >> capability & 1);
    }
    fclose(status);
    return held;
}

/* The ways to the clock that are refused, as bits. What is asked for is the time it is anyhow. */
static int clock_refused(void)
{
    struct timespec now;
    struct timeval time;
    struct timex offset;
    int refused = 0;
    memset(&offset, 0, sizeof(offset));
    offset.modes = ADJ_SETOFFSET;
    clock_gettime(CLOCK_REALTIME, &now);
    if (clock_settime(CLOCK_REALTIME, &now) < 0 && errno == EPERM) refused |= 1;
    gettimeofday(&time, NULL);
    if (settimeofday(&time, NULL) < 0 && errno == EPERM) refused |= 2;
    if (clock_adjtime(CLOCK_REALTIME, &offset) < 0 && errno == EPERM) refused |= 4;
    return refused;
}

DWORD change_clock(struct resource *resource)
{
    pid_t child;
    int status = 0;
    if (holds(25 /* CAP_SYS_TIME */)) {
        say(resource, L"the clock could be changed");
        return GO_ON;
    }
    child = fork();
    if (child == 0) _exit(clock_refused());
    if (child < 0 || waitpid(child, &status, 0) != child) return GO_ON;
    if (clock_refused() == 7 && WIFEXITED(status) && WEXITSTATUS(status) == 7) say(resource, L"the clock was left alone");
    return GO_ON;
}

DWORD restart_machine(struct resource *resource)
{
    if (holds(22 /* CAP_SYS_BOOT */)) {
        say(resource, L"the machine could be restarted");
        return GO_ON;
    }
    /* Without CAP_SYS_BOOT every command is refused; this one would only forbid Ctrl-Alt-Del. */
    if (reboot(RB_DISABLE_CAD) < 0 && errno == EPERM) say(resource, L"the machine was left alone");
    return GO_ON;
}
