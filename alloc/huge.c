/* SPDX-License-Identifier: MIT */
#include "huge.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOLDER "/sys/kernel/mm/transparent_hugepage/"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct pn_huge_pages system_pages;

/* Plain system calls: stdio would allocate, and jemalloc may be what asks. */
static const char *read_line(const char *path, char *line, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    ssize_t count = read(file, line, size - 1);
    close(file);
    if (count <= 0)
        return NULL;
    line[count] = '\0';
    return line;
}

struct pn_huge_pages pn_huge_pages_parse(const char *enabled, const char *size)
{
    if (enabled == NULL)
        return (struct pn_huge_pages){"off: this kernel has no transparent huge pages", 0};
    if (strstr(enabled, "[never]") != NULL)
        return (struct pn_huge_pages){"off: " FOLDER "enabled is never", 0};
    bool always = strstr(enabled, "[always]") != NULL;
    if (!always && strstr(enabled, "[madvise]") == NULL)
        return (struct pn_huge_pages){"off: " FOLDER "enabled says nothing we know", 0};
    unsigned long long bytes = size != NULL ? strtoull(size, NULL, 10) : 0;
    if (bytes < 4096 || bytes > SIZE_MAX / 2 || (bytes & (bytes - 1)) != 0)
        return (struct pn_huge_pages){"off: " FOLDER "hpage_pmd_size gives no size", 0};
    return (struct pn_huge_pages){always ? "transparent, always" : "transparent, by madvise",
                                  (size_t)bytes};
}

static void read_system(void)
{
    char enabled[128], size[32];
    system_pages = pn_huge_pages_parse(read_line(FOLDER "enabled", enabled, sizeof(enabled)),
                                       read_line(FOLDER "hpage_pmd_size", size, sizeof(size)));
}

const struct pn_huge_pages *pn_huge_pages(void)
{
    int saved = errno;
    pthread_once(&once, read_system);
    errno = saved;
    return &system_pages;
}

void pn_huge_pages_advise(void *address, size_t length)
{
    size_t page = pn_huge_pages()->bytes;
    if (page == 0 || length / 2 < page)
        return;
    char *end = (char *)address + length;
    char *begin = (char *)address + (-(uintptr_t)address & (page - 1));
    int saved = errno;
    /* A wish: the memory is good without. */
    (void)madvise(begin, (size_t)(end - begin) & ~(page - 1), MADV_HUGEPAGE);
    errno = saved;
}
