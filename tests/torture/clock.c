/* The time of day of a machine whose clock jumps: an offset in seconds lies in the file that CLOCK_OFFSET names, which
   all programs map, so that it changes for all of them at once. Only CLOCK_REALTIME is concerned, as when somebody sets
   the clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long none, *ahead;

static long offset(void) {
    if (!ahead) {
        const char *name = getenv("CLOCK_OFFSET");
        int file = name && *name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
        void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        ahead = page == MAP_FAILED ? &none : page;
        if (file >= 0) close(file);
    }
    return *(volatile const long *)ahead;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int failed = (int)syscall(SYS_gettimeofday, at, zone);
    if (!failed && at) at->tv_sec += offset();
    return failed;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into) *into = at.tv_sec;
    return at.tv_sec;
}
