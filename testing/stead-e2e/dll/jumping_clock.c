/* To be preloaded: the system clock is a year ahead and a year behind in turn. Every other clock goes as it does. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t jumped(time_t now)
{
    static atomic_uint calls;
    time_t year = 365L * 24 * 60 * 60;
    return atomic_fetch_add(&calls, 1) % 2 == 0 ? now + year : now - year;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec = jumped(now->tv_sec);
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time) < 0) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec time;
    if (clock_gettime(CLOCK_REALTIME, &time) < 0) return -1;
    if (now != NULL) *now = time.tv_sec;
    return time.tv_sec;
}
