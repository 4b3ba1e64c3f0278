/*
 * Preloaded into a postmaster of ours: each forked child maps the PGPROC array before it joins it.
 *
 * ProcArrayAdd (procarray.c, since 14) stores into the PGPROCs of all backends behind the newcomer, with
 * ProcArrayLock held. A forked child has none of that memory mapped, so each first store on a page is a page
 * fault inside the lock. Here the same pages are mapped earlier, outside of it. How is said, between two
 * blocks, in a page that procbench writes; unless it says so, a child reads one word and goes on.
 *
 * Weak symbols of PostgreSQL and unversioned ones of the C library, linked without any library: one build for
 * all images with glibc.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* src/server/provision/preload.rs and premap.rs know the same layout. */
struct page {
    uint32_t how;      /* HOW_... */
    uint32_t stride;   /* sizeof(PGPROC) */
    uint64_t ready;    /* 1 when the postmaster has this library and its symbols */
    uint64_t children; /* that have touched the array */
    uint64_t touches;  /* by all of them */
};

enum { HOW_NOT, HOW_WRITE_EACH_PAGE, HOW_READ_PER_64_KB };

/* proc.h: PROC_HDR begins with allProcs. globals.c. */
extern char **ProcGlobal __attribute__((weak));
extern int MaxBackends __attribute__((weak));
/* What pthread_atfork(3) calls in every glibc; itself it is not in all of them a symbol of the library. */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *) __attribute__((weak));

static struct page *page;

static void in_child(void)
{
    uint32_t how = __atomic_load_n(&page->how, __ATOMIC_RELAXED);
    if (how == HOW_NOT || ProcGlobal == NULL)
        return;
    uintptr_t step = how == HOW_WRITE_EACH_PAGE ? 4096 : 65536;
    uintptr_t at = (uintptr_t) ProcGlobal[0];
    uintptr_t end = at + (uintptr_t) MaxBackends * page->stride;
    uint64_t touches = 0;
    /* Not a constant: a compiler that knows it is 0 may leave the store out (LLVM does). */
    volatile uint32_t zero = 0;
    while (at < end) {
        if (how == HOW_WRITE_EACH_PAGE)
            /* Changes nothing, and loses nobody's store. */
            __atomic_fetch_or((uint32_t *) (at & ~(uintptr_t) 3), zero, __ATOMIC_RELAXED);
        else
            (void) *(volatile char *) at;
        touches++;
        at = (at | (step - 1)) + 1;
    }
    __atomic_fetch_add(&page->touches, touches, __ATOMIC_RELAXED);
    __atomic_fetch_add(&page->children, 1, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PROCBENCH_PREMAP");
    if (path == NULL || &ProcGlobal == NULL || &MaxBackends == NULL || __register_atfork == NULL)
        return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        return;
    page = mapped;
    if (__register_atfork(NULL, NULL, in_child, NULL) == 0)
        __atomic_store_n(&page->ready, 1, __ATOMIC_RELEASE);
}
