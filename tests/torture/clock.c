/* The time of day of a machine whose clock jumps: an offset in seconds is read from the file that CLOCK_OFFSET names,
   once a second of the real clock. Only CLOCK_REALTIME is concerned, as when somebody sets the clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset, read_at = -1;

static long ahead(long now) {
    if (now != read_at) {
        char text[32] = "";
        const char *name = getenv("CLOCK_OFFSET");
        int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
        read_at = now;
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) offset = atol(text);
            close(file);
        }
    }
    return offset;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead(at->tv_sec);
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int failed = (int)syscall(SYS_gettimeofday, at, zone);
    if (!failed && at) at->tv_sec += ahead(at->tv_sec);
    return failed;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into) *into = at.tv_sec;
    return at.tv_sec;
}
