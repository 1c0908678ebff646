/* To be preloaded into etcd: its system clock is wrong by as many seconds as the file says that WRONG_CLOCK names, now
 * and whenever that changes. Every other clock goes as it does.
 *
 * A Go program calls no function of libc for the time but one that the kernel maps into every process. That is replaced
 * here, before the program's own first instruction. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *wrong_by;

/* Uses nothing of libc: it runs on stacks and threads of the program's own making. */
static long wrong_clock_gettime(long clock, struct timespec *now)
{
    long done;
    __asm__ volatile("syscall"
                     : "=a"(done)
                     : "0"((long)SYS_clock_gettime), "D"(clock), "S"(now)
                     : "rcx", "r11", "memory");
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *wrong_by;
    return done;
}

static void give_up(const char *why)
{
    static const char begin[] = "wrong_clock: ";
    (void)!write(2, begin, sizeof begin - 1);
    (void)!write(2, why, strlen(why));
    (void)!write(2, "\n", 1);
    _exit(70);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WRONG_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) give_up("WRONG_CLOCK names no file");
    void *shared = mmap(NULL, sizeof *wrong_by, PROT_READ, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) give_up("the file cannot be mapped");
    wrong_by = shared;

    void *kernels = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    unsigned char *function = kernels == NULL ? NULL : dlsym(kernels, "__vdso_clock_gettime");
    if (function == NULL) give_up("the kernel maps no clock");
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)((uintptr_t)function & ~(size - 1));
    /* The function may go over the end of its page. */
    if (mprotect(page, size * 2, PROT_READ | PROT_WRITE | PROT_EXEC) != 0 &&
        mprotect(page, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        give_up("the clock that the kernel maps cannot be replaced");
    /* movabs $wrong_clock_gettime, %rax; jmp *%rax */
    unsigned char code[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
    uintptr_t to = (uintptr_t)wrong_clock_gettime;
    memcpy(code + 2, &to, sizeof to);
    memcpy(function, code, sizeof code);
}
