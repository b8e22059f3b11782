/* See asking.h. Everything is asked with AT_STATX_DONT_SYNC or O_PATH, as capture/kernel.py and capture/look.py do it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "asking.h"

static const char DELETED[] = " (deleted)";
static const char PROC[] = "/proc/";

static int is_the_one(int fd, const char *path, int flags, const struct record *record)
{
    struct statx found;
    if (syscall(SYS_statx, fd, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, &found))
        return 0;
    int64_t birth = (int64_t)((uint64_t)found.stx_btime.tv_sec * UINT64_C(1000000000) + found.stx_btime.tv_nsec);
    return found.stx_ino == record->ino && found.stx_dev_major == record->major &&
           found.stx_dev_minor == record->minor && ((found.stx_mask & STATX_BTIME) ? birth : 0) == record->birth;
}

int shark_leads_to(const char *path, const struct record *record)
{
    return is_the_one(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, record);
}

int shark_is_true(const char *path)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0)
        return errno == ENOSYS || errno == EPERM;
    close((int)fd);
    return 1;
}

/* The path behind a descriptor of our own, with NUL; 0 if it has none. */
static uint32_t path_of(int fd, char *to, uint32_t room)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, to, room);
    if (length <= 0 || (uint32_t)length >= room || to[0] != '/')
        return 0;
    to[length] = 0;
    if (strncmp(to, PROC, sizeof PROC - 1) == 0)
        return 0;  /* a link through /proc/self has led us to what is our own */
    size_t end = sizeof DELETED - 1;
    return (size_t)length > end && memcmp(to + length - end, DELETED, end) == 0 ? 0 : (uint32_t)length;
}

uint32_t shark_true_path(const char *path, const struct record *record, char *to, uint32_t room)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    uint32_t length = !record || is_the_one(fd, "", AT_EMPTY_PATH, record) ? path_of(fd, to, room) : 0;
    close(fd);
    return length;
}
