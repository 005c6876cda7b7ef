/* Moves a process's wall clock without root. Preloaded (LD_PRELOAD), it adds the milliseconds that stand in the file
 * that WALL_CLOCK names to CLOCK_REALTIME. Monotonic and boot time stay as they are.
 *
 * Waits on a condition until a moment of the wall clock are kept as the kernel keeps them when the clock is set: set
 * back, a wait that has begun takes longer by as much. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static const volatile int64_t *offset_ms;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("WALL_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset_ms, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        fprintf(stderr, "wall_clock: WALL_CLOCK must name a file of 8 bytes\n");
        abort();
    }
    close(file);
    offset_ms = mapped;
}

static int64_t offset_ns(void) { return offset_ms ? *offset_ms * 1000000 : 0; }

static int64_t to_ns(const struct timespec *at) { return at->tv_sec * NS_PER_S + at->tv_nsec; }

static struct timespec from_ns(int64_t ns) {
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *now = from_ns(to_ns(now) + offset_ns());
    return failed;
}

static int64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return to_ns(&now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    int64_t ns = wall_ns();
    *now = (struct timeval){.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000};
    return 0;
}

time_t time(time_t *at) {
    time_t now = wall_ns() / NS_PER_S;
    if (at)
        *at = now;
    return now;
}

/* A wait that ended by the kernel's clock and not by ours goes on. */
int pthread_cond_timedwait(pthread_cond_t *restrict held, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until) {
    int ended;
    do {
        struct timespec kernel = from_ns(to_ns(until) - offset_ns());
        ended = pthread_cond_clockwait(held, lock, CLOCK_REALTIME, &kernel);
    } while (ended == ETIMEDOUT && wall_ns() < to_ns(until));
    return ended;
}

int cnd_timedwait(cnd_t *restrict held, mtx_t *restrict lock, const struct timespec *restrict until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real)
        real = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    int ended;
    do {
        struct timespec kernel = from_ns(to_ns(until) - offset_ns());
        ended = real(held, lock, &kernel);
    } while (ended == thrd_timedout && wall_ns() < to_ns(until));
    return ended;
}
