/*
 * Preloaded into a primary or standby of ours: each fdatasync takes longer by what a page says, as with a slower disk.
 *
 * PostgreSQL flushes its WAL with fdatasync on Linux (wal_sync_method). The sync itself is done first: what is
 * acknowledged is on the disk. The page is read at each call, so that the delay changes while the server runs.
 *
 * Unversioned symbols of the C library, linked without any library: one build for all images with glibc.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* src/server/provision/preload.rs and sync_delay.rs know the same layout. */
struct page {
    uint32_t delay_us;
    uint32_t unused;
    uint64_t ready; /* 1 when the postmaster has this library */
};

static struct page *page;

int fdatasync(int file)
{
    int done = (int) syscall(SYS_fdatasync, file);
    uint32_t us = page == NULL ? 0 : __atomic_load_n(&page->delay_us, __ATOMIC_RELAXED);
    if (done == 0 && us > 0) {
        /* Signals reach backends while they sleep, and must not shorten it. */
        struct timespec left = {us / 1000000, (long) (us % 1000000) * 1000};
        while (nanosleep(&left, &left) != 0)
            ;
    }
    return done;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PROCBENCH_SYNC_DELAY");
    if (path == NULL)
        return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        return;
    page = mapped;
    __atomic_store_n(&page->ready, 1, __ATOMIC_RELEASE);
}
