/* What the reader of the ring makes of it, for the teller and for native.py. */
#ifndef SHARK_RECORD_H
#define SHARK_RECORD_H

#include <stdint.h>

/* One record, checked; as native.py unpacks it. */
struct record {
    uint64_t begin, end;
    int64_t result;
    uint64_t ino, size;
    int64_t birth, mtime;       /* nanoseconds since the epoch; birth 0 where there is none */
    uint64_t base_ino;          /* of the directory behind dirfd, where the name starts from that; else 0 */
    int64_t base_birth;
    uint32_t process, number;
    int32_t dirfd;
    uint32_t flags, mode, nlink, major, minor, base_major, base_minor;
    uint32_t path, length;      /* where its name lies in the text, and how long it is */
};

#endif
