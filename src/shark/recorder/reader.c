/* Reads what hot processes wrote into the ring, and keeps the run's one counter.
 *
 * The ring is written by the traced programs: nothing in it is believed. Each slot is looked at by itself; what does not
 * make sense is counted and freed. A record that tells nothing new (the same process has opened the same unchanged file
 * by the same name before) is dropped here, so that a program which opens one file a million times costs the supervisor
 * next to nothing.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layout.h"
#include "record.h"
#include "set.h"

#define KNOWN 8192              /* entries of the table of what was told */
#define KNOWN_PATH 200          /* longer names are told each time */
#define AHEAD 4                 /* so many slots ahead memory is asked for */
#define PATIENCE 3000           /* how often one reading looks again at records about to be finished: some 100 µs */

struct slot {
    uint32_t state, process, number, length;
    uint64_t begin, end;
    int64_t result;
    uint64_t site, flags, rbx, rdi, rsi, rdx, r10, r8;
    int32_t statx_result, base_result;
    uint32_t padding[4];
    struct statx statx, base;
    char path[PATH_ROOM];
};

_Static_assert(offsetof(struct slot, begin) == BEGIN, "");
_Static_assert(offsetof(struct slot, result) == RESULT, "");
_Static_assert(offsetof(struct slot, site) == SITE, "");
_Static_assert(offsetof(struct slot, flags) == FLAGS, "");
_Static_assert(offsetof(struct slot, rdi) == SAVED_RDI, "");
_Static_assert(offsetof(struct slot, r8) == SAVED_R8, "");
_Static_assert(offsetof(struct slot, statx_result) == STATX_RESULT, "");
_Static_assert(offsetof(struct slot, statx) == STATX, "");
_Static_assert(offsetof(struct slot, base_result) == BASE_RESULT, "");
_Static_assert(offsetof(struct slot, base) == BASE, "");
_Static_assert(offsetof(struct slot, path) == PATH, "");
_Static_assert(sizeof(struct slot) == SLOT_SIZE, "");
_Static_assert(SLOTS <= 1 << 16, "");

struct known {
    uint64_t ino, size, base_ino;
    int64_t birth, mtime, base_birth;
    uint32_t major, minor, mode, nlink, base_major, base_minor;
    uint32_t process, written, view;
    uint16_t length, found;
    char path[KNOWN_PATH];
};

struct reader {
    char *ring;
    uint64_t first, next;       /* the clock when the ring was made, and the least that it can be now */
    uint64_t seen;              /* what it was when it was read last: reading it takes it from those who count */
    uint32_t tail, used;        /* used: so many of the slots, from the first on, may have been claimed ever */
    uint32_t waiting_count;
    uint32_t written, view;     /* epochs: a file may have changed; a path may mean something else */
    uint64_t records, repeated, torn;
    uint32_t clock_broken;
    struct known *known;
    uint32_t waiting[SLOTS];    /* asked for, and not complete when they were passed */
    uint32_t taken_count;
    uint32_t taken[2 * SLOTS];  /* read, and still full: what is in them is to be told first */
};

static struct slot *slot_at(struct reader *reader, uint32_t index)
{
    return (struct slot *)(reader->ring + RING_SLOTS + (size_t)(index & (SLOTS - 1)) * SLOT_SIZE);
}

static struct slot *area_at(struct reader *reader, uint32_t index)
{
    return (struct slot *)(reader->ring + RING_AREAS + (size_t)index * AREA_SIZE);
}

static uint32_t *head_of(struct reader *reader) { return (uint32_t *)(reader->ring + RING_HEAD); }
static uint64_t *clock_of(struct reader *reader) { return (uint64_t *)(reader->ring + RING_CLOCK); }

/* Whether this processor has what the stub needs: lahf and sahf in 64-bit mode. */
int shark_fits(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1);
}

/* A reader of a ring that is mapped here, with the clock to begin at; NULL without memory. */
struct reader *shark_reader(char *ring, uint64_t first)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->known = calloc(KNOWN, sizeof *reader->known);
    if (!reader->known) {
        free(reader);
        return NULL;
    }
    reader->ring = ring;
    reader->first = reader->next = first;
    return reader;
}

void shark_close(struct reader *reader)
{
    free(reader->known);
    free(reader);
}

/* Whether the counter may show that: it never goes back, nor by leaps. */
static int is_possible(struct reader *reader, uint64_t now)
{
    return now >= reader->next && now - reader->next <= UINT64_C(1) << 32;
}

/* The next number of the run's counter. A program that has scribbled over it must not turn time back. */
uint64_t shark_tick(struct reader *reader)
{
    uint64_t now = __atomic_fetch_add(clock_of(reader), 1, __ATOMIC_SEQ_CST);
    if (__builtin_expect(!is_possible(reader, now), 0)) {
        reader->clock_broken++;
        now = reader->next;
        __atomic_store_n(clock_of(reader), now + 1, __ATOMIC_SEQ_CST);
    }
    reader->next = now + 1;
    return now;
}

/* How many slots were asked for; some of them by processes that were told no. */
static uint32_t asked(struct reader *reader)
{
    uint32_t head = __atomic_load_n(head_of(reader), __ATOMIC_SEQ_CST);
    if (reader->used < SLOTS && head > reader->used)
        reader->used = head < SLOTS ? head : SLOTS;
    return head;
}

/* What was told before is to be told anew: files may have changed (1), names may mean something else (2). */
void shark_forget(struct reader *reader, int what)
{
    if (what & 1)
        reader->written++;
    if (what & 2)
        reader->view++;
    __atomic_store_n((uint32_t *)(reader->ring + RING_EPOCH), reader->written + reader->view, __ATOMIC_SEQ_CST);
}

static int64_t nanoseconds(const struct statx_timestamp *time)
{
    return (int64_t)((uint64_t)time->tv_sec * UINT64_C(1000000000) + time->tv_nsec);
}

/* Whether the record tells nothing new. A name relative to a descriptor is told if it is not known what that is. */
static int is_repeated(struct reader *reader, const struct record *record, const char *path)
{
    int relative = record->length && path[0] != '/' && record->dirfd != AT_FDCWD;
    if (record->length >= KNOWN_PATH || record->length == 0 || (relative && !record->base_ino))
        return 0;
    struct known *known = &reader->known[hash(path, record->length, record->process + record->base_ino) % KNOWN];
    struct known now = {
        .ino = record->ino, .size = record->size, .birth = record->birth, .mtime = record->mtime,
        .major = record->major, .minor = record->minor, .mode = record->mode, .nlink = record->nlink,
        .base_ino = record->base_ino, .base_birth = record->base_birth,
        .base_major = record->base_major, .base_minor = record->base_minor,
        .process = record->process, .written = reader->written, .view = reader->view,
        .length = (uint16_t)record->length,
        .found = (uint16_t)(1 + (record->result >= 0) + 2 * !!(record->flags & O_PATH)),  /* that gives no access */
    };
    if (record->result < 0)
        now.written = 0;  /* where nothing is, nothing can have changed: it is told once */
    if (memcmp(known, &now, offsetof(struct known, path)) == 0 && memcmp(known->path, path, record->length) == 0)
        return 1;
    memcpy(known, &now, offsetof(struct known, path));
    memcpy(known->path, path, record->length);
    return 0;
}

/* Take one complete slot: 1 if it was written to `record` and `text`, 0 if there is nothing to tell. */
static int take(struct reader *reader, struct slot *slot, struct record *record, char *text, uint32_t at)
{
    uint32_t length = __atomic_load_n(&slot->length, __ATOMIC_RELAXED);  /* once: it is checked below */
    record->begin = slot->begin;
    record->end = slot->end;
    record->result = slot->result;
    record->process = slot->process;
    record->number = slot->number;
    if (record->end > reader->seen)
        reader->seen = __atomic_load_n(clock_of(reader), __ATOMIC_SEQ_CST);
    if (length >= PATH_ROOM || record->begin < reader->first || record->end <= record->begin ||
        record->end > reader->seen || record->result > INT32_MAX ||
        (record->number != NR_OPEN && record->number != NR_OPENAT)) {
        reader->torn++;
        return 0;
    }
    memcpy(text + at, slot->path, length);
    if (memchr(text + at, 0, length)) {
        reader->torn++;
        return 0;
    }
    record->path = at;
    record->length = length;
    record->dirfd = record->number == NR_OPENAT ? (int32_t)slot->rdi : AT_FDCWD;
    record->flags = (uint32_t)(record->number == NR_OPENAT ? slot->rdx : slot->rsi);
    if (record->result < 0 && record->flags & O_PATH)
        return 0;  /* that would not have been an access either */
    if (record->result >= 0) {
        const struct statx *stat = &slot->statx;
        record->ino = stat->stx_ino;
        record->size = stat->stx_size;
        record->mode = stat->stx_mode;
        record->nlink = stat->stx_nlink;
        record->major = stat->stx_dev_major;
        record->minor = stat->stx_dev_minor;
        record->birth = (stat->stx_mask & STATX_BTIME) ? nanoseconds(&stat->stx_btime) : 0;
        record->mtime = nanoseconds(&stat->stx_mtime);
    } else {
        record->ino = record->size = record->mode = record->nlink = record->major = record->minor = 0;
        record->birth = record->mtime = 0;
    }
    record->base_ino = record->base_major = record->base_minor = 0;
    record->base_birth = 0;
    if (slot->base_result == 0) {
        record->base_ino = slot->base.stx_ino;
        record->base_major = slot->base.stx_dev_major;
        record->base_minor = slot->base.stx_dev_minor;
        record->base_birth = (slot->base.stx_mask & STATX_BTIME) ? nanoseconds(&slot->base.stx_btime) : 0;
    }
    reader->records++;
    if (is_repeated(reader, record, text + at)) {
        reader->repeated++;
        return 0;
    }
    return 1;
}

/* Fetch what `take` reads of a slot: another processor has written it, and waiting for each line of it in turn would be
 * most of the work. */
static void fetch(struct slot *slot)
{
    __builtin_prefetch(slot, 1);
    __builtin_prefetch(&slot->rdi);
    __builtin_prefetch(&slot->statx);
    __builtin_prefetch((char *)&slot->statx + 64);
    __builtin_prefetch((char *)&slot->statx + 128);
    __builtin_prefetch(slot->path);
}

static uint32_t state_of(struct slot *slot) { return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE); }

/* It is nobody's then: who claims it next says who it is a little later, and must not be taken for the one before. */
static void set_free(struct slot *slot)
{
    slot->process = 0;
    __atomic_store_n(&slot->state, FREE, __ATOMIC_RELEASE);
}

/* The state of a slot; of one whose call is over and which is about to be complete, after a short wait for that: as long
 * as there is patience left. */
static uint32_t settled(struct slot *slot, int *patience)
{
    uint32_t state = state_of(slot);
    for (; *patience > 0; --*patience) {
        if (state != BUSY || *(volatile int64_t *)&slot->result == NOT_RETURNED)
            break;
        __builtin_ia32_pause();
        state = state_of(slot);
    }
    return state;
}

static void sort(struct record *records, int count)
{
    for (int i = 1; i < count; i++) {
        struct record one = records[i];
        int j = i;
        for (; j > 0 && records[j - 1].end > one.end; j--)
            records[j] = records[j - 1];
        records[j] = one;
    }
}

/* All that was read is told: its slots may be used again. Until then, should the supervisor be killed, they are there to
 * be read by whoever recovers the run. */
void shark_told(struct reader *reader)
{
    for (uint32_t n = 0; n < reader->taken_count; n++)
        set_free(slot_at(reader, reader->taken[n]));
    reader->taken_count = 0;
}

/* Read what is complete, oldest first, into `records`, and the names into
 * `text`; there must be room for 2 * SLOTS of both. Returns how many; then call shark_told. `patient`: wait for records
 * whose calls are over. */
int shark_drain(struct reader *reader, struct record *records, char *text, int patient)
{
    uint32_t head = asked(reader);
    if (head == reader->tail && !reader->waiting_count)
        return 0;
    shark_told(reader);  /* if telling was broken off */
    int count = 0, patience = patient ? PATIENCE : 0;
    uint32_t at = 0, still = 0;
    if (head - reader->tail > UINT32_MAX / 2) {
        reader->torn++;  /* it never goes back: a program has overwritten it */
        reader->waiting_count = 0;  /* all slots are looked at below */
    }
    for (uint32_t n = 0; n < reader->waiting_count; n++) {
        uint32_t index = reader->waiting[n];
        if (head - index > SLOTS)
            continue;  /* its slot was asked for once more, and is looked at below */
        struct slot *slot = slot_at(reader, index);
        if (settled(slot, &patience) == COMPLETE) {
            if (take(reader, slot, &records[count], text, at))
                at += records[count++].length;
            reader->taken[reader->taken_count++] = index;
        } else {
            reader->waiting[still++] = index;
        }
    }
    reader->waiting_count = still;
    uint32_t from = head - reader->tail > SLOTS ? head - SLOTS : reader->tail;
    for (uint32_t index = from; index != head; index++) {
        struct slot *slot = slot_at(reader, index);
        fetch(slot_at(reader, index + AHEAD));
        if (settled(slot, &patience) != COMPLETE) {
            if (index & (SLOTS / 2 - 1) && reader->waiting_count < SLOTS)  /* those are never used */
                reader->waiting[reader->waiting_count++] = index;
            continue;
        }
        if (take(reader, slot, &records[count], text, at))
            at += records[count++].length;
        reader->taken[reader->taken_count++] = index;
    }
    reader->tail = head;
    sort(records, count);
    return count;
}

static int release(struct slot *slot, uint32_t process)
{
    uint32_t state = state_of(slot);
    if ((state != BUSY && state != LOUD) || slot->process != process)
        return 0;
    int lost = state == BUSY && slot->result != NOT_RETURNED && slot->result >= 0;
    set_free(slot);
    return lost;
}

/* Free what a process that is gone has left unfinished; returns how many calls had returned that nobody was told of. */
int shark_release(struct reader *reader, uint32_t process)
{
    int lost = 0;
    asked(reader);
    for (uint32_t index = 0; index < reader->used; index++)
        lost += release(slot_at(reader, index), process);
    for (uint32_t index = 0; index < AREAS; index++)
        lost += release(area_at(reader, index), process);
    return lost;
}

/* Four figures: records made, of those repeated, torn ones, and how often the clock was not what it had been. */
void shark_counts(struct reader *reader, uint64_t *counts)
{
    uint64_t now = __atomic_load_n(clock_of(reader), __ATOMIC_SEQ_CST), untold = 0;
    uint64_t most = (is_possible(reader, now) ? now : reader->next) - reader->first;  /* each took two of the clock */
    for (uint32_t index = 0; index < AREAS; index++) {
        uint64_t repeated = *(volatile uint64_t *)((char *)area_at(reader, index) + AREA_REPEATED);
        untold = repeated > most - untold ? most : untold + repeated;
    }
    counts[0] = reader->records + untold;
    counts[1] = reader->repeated + untold;
    counts[2] = reader->torn;
    counts[3] = reader->clock_broken;
}
