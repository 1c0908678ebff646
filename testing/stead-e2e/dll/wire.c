/* wire A B LEAST MOST DOUBLED SEED: what comes in at one of two network interfaces goes out at the other, each frame after
 * LEAST to MOST milliseconds, one in DOUBLED twice (0: none); where the times differ, frames overtake each other. It says
 * "ready" when it listens, and ends when its standard input does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* As much as a cable may hold; more is lost, as on any other. */
enum { MOST_FRAMES = 20000, LONGEST = 1 << 17 };

struct frame {
    int64_t at;
    uint64_t number;
    int to;
    size_t length;
    unsigned char *bytes;
};

/* A heap: the first to go out is at the root. */
static struct frame frames[MOST_FRAMES];
static size_t count;
static uint64_t numbers, seed;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t any(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static int before(const struct frame *a, const struct frame *b)
{
    return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void swap(size_t a, size_t b)
{
    struct frame held = frames[a];
    frames[a] = frames[b];
    frames[b] = held;
}

static void put(int64_t at, int to, const unsigned char *bytes, size_t length)
{
    if (count == MOST_FRAMES) return;
    unsigned char *copy = malloc(length);
    if (copy == NULL) return;
    memcpy(copy, bytes, length);
    frames[count] = (struct frame){at, numbers++, to, length, copy};
    for (size_t place = count++; place > 0 && before(&frames[place], &frames[(place - 1) / 2]); place = (place - 1) / 2)
        swap(place, (place - 1) / 2);
}

static struct frame take(void)
{
    struct frame first = frames[0];
    frames[0] = frames[--count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t below = 2 * at + 1; below <= 2 * at + 2 && below < count; below++)
            if (before(&frames[below], &frames[least])) least = below;
        if (least == at) return first;
        swap(at, least);
        at = least;
    }
}

static int open_at(const char *interface)
{
    int one = 1;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    at.sll_ifindex = (int)if_nametoindex(interface);
    int end = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* With what the kernel has left to be done to a frame: its sums, and its division. */
    if (at.sll_ifindex == 0 || end < 0 || setsockopt(end, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0 ||
        setsockopt(end, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0 ||
        bind(end, (struct sockaddr *)&at, sizeof at) < 0) {
        fprintf(stderr, "wire: %s: %s\n", interface, strerror(errno));
        exit(1);
    }
    return end;
}

int main(int argc, char **argv)
{
    static unsigned char bytes[LONGEST];
    if (argc != 7) return 2;
    int ends[2] = {open_at(argv[1]), open_at(argv[2])};
    int64_t least = atoll(argv[3]), most = atoll(argv[4]);
    uint64_t doubled = strtoull(argv[5], NULL, 10);
    seed = strtoull(argv[6], NULL, 10) | 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t now = now_ms();
        while (count > 0 && frames[0].at <= now) {
            struct frame frame = take();
            (void)!write(ends[frame.to], frame.bytes, frame.length);
            free(frame.bytes);
        }
        struct pollfd waits[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}, {0, POLLIN, 0}};
        if (poll(waits, 3, count > 0 ? (int)(frames[0].at - now) : -1) < 0 && errno != EINTR) return 1;
        if (waits[2].revents != 0 && read(0, bytes, 1) <= 0) return 0;
        for (int from = 0; from < 2; from++) {
            ssize_t length;
            while ((length = read(ends[from], bytes, sizeof bytes)) > 0) {
                int times = doubled > 0 && any(doubled) == 0 ? 2 : 1;
                while (times-- > 0)
                    put(now_ms() + least + (int64_t)any((uint64_t)(most - least) + 1), 1 - from, bytes, (size_t)length);
            }
        }
    }
}
