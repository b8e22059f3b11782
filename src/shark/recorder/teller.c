/* Tells of what most records are: a file or a directory that was opened to be read, or was not found.
 *
 * Such a record becomes a line of the journal here, without a step of the interpreter's. Everything else is left to
 * recorder.py: a relative name that starts where nothing was opened yet, a file that the run has written to, a name that
 * may hold a secret or does not stand in JSON as it is, whatever is neither a regular file nor a directory. What a
 * directory is called is learned from there, or found out here where its name is usual, and forgotten whenever names may
 * mean something else.
 *
 * Names and numbers come from the traced programs: every length was checked by the reader, and is bounded here again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "asking.h"
#include "folders.h"
#include "layout.h"
#include "record.h"
#include "set.h"
#include "showing.h"

#define JOINED (LONGEST + 512)  /* bytes for one of them with a last part and NUL */
#define NUMBERS 300             /* more than what the numbers and the rest of a line take */
#define LINES (1 << 20)         /* bytes: some thousand lines; what finds no room is left to others */

enum { READ = 1, LIST = 4 };    /* as events.py has them */

struct process {
    uint32_t number, here;      /* here: which directory it works in; 0: to be asked */
    struct set told;
};

/* Records of one process, one after the other: as telling.py unpacks it. */
struct stretch {
    uint32_t process, files;    /* how many of them got a regular file */
    int64_t lowest;             /* the lowest descriptor that one of them got */
};

/* A file that was got: as telling.py unpacks it. */
struct got {
    uint64_t device, ino;
    int64_t birth;
};

/* What comes of a reading: as telling.py lays it out. */
struct room {
    struct stretch stretches[2 * SLOTS];
    struct got gots[2 * SLOTS];
    char directory[JOINED];     /* the true path of the one that was told of last */
    char lines[LINES];
};

struct teller {
    struct folders folders;
    struct process *processes;
    uint32_t process_count, process_room;
    struct set written;
    struct words words;
    uint32_t opened, missing;   /* the events' codes */
    uint32_t reading;           /* counts them */
    struct room *room;          /* the caller's */
    uint32_t line_bytes, stretch_count, got_count, directory;   /* the latter: how long its path is in `room` */
};

/* --- what is known */

static struct process *process_of(struct teller *teller, uint32_t number)
{
    for (uint32_t n = teller->process_count; n-- > 0;)  /* the newest are the busiest, and there are few at a time */
        if (teller->processes[n].number == number)
            return &teller->processes[n];
    return NULL;
}

/* Where a record's name starts; 0 if that is to be asked. */
static int start_of(const struct process *process, const struct record *record, const char *name, struct start *start)
{
    *start = (struct start){0};
    if (name[0] == '/') {
        start->kind = ABSOLUTE;
    } else if (record->dirfd == AT_FDCWD) {
        start->kind = FROM_HERE;
        start->ino = process->here;
    } else {
        start->kind = FROM_DIRECTORY;
        start->device = makedev(record->base_major, record->base_minor);
        start->ino = record->base_ino;
        start->birth = record->base_birth;
    }
    return start->kind == ABSOLUTE || start->ino;
}

/* --- telling */

static uint64_t number_of_file(uint64_t device, uint64_t ino, int64_t birth)
{
    uint64_t parts[3] = {device, ino, (uint64_t)birth};
    return hash((const char *)parts, sizeof parts, 1);
}

/* What says the same of the same process: how the file was called, which it was and in which state. */
static uint64_t number_of(const char *used, uint32_t length, const struct record *record)
{
    uint64_t state[7] = {
        record->result >= 0, (uint64_t)record->major << 32 | record->minor, record->ino, (uint64_t)record->birth,
        record->size, (uint64_t)record->mtime, (uint64_t)record->mode << 32 | record->nlink,
    };
    return hash(used, length, hash((const char *)state, sizeof state, 2));
}

/* A path as a JSON string; `folder` is JSON already. */
static char *put_path(char *at, const char *folder, uint32_t length, const char *last, uint32_t last_length)
{
    *at++ = '"';
    at = put(at, folder, length);
    *at++ = '/';
    at = put(at, last, last_length);
    *at++ = '"';
    return at;
}

static void note_got(struct teller *teller, const struct record *record)
{
    struct room *room = teller->room;
    struct stretch *stretch = teller->stretch_count ? &room->stretches[teller->stretch_count - 1] : NULL;
    if (!stretch || stretch->process != record->process) {
        stretch = &room->stretches[teller->stretch_count++];
        *stretch = (struct stretch){.process = record->process, .lowest = record->result};
    }
    stretch->lowest = record->result < stretch->lowest ? record->result : stretch->lowest;
    if (!S_ISREG(record->mode))
        return;
    stretch->files++;
    room->gots[teller->got_count++] = (struct got){makedev(record->major, record->minor), record->ino, record->birth};
}

/* Which directory a record's name is of, known or not; 0 if that is to be asked. */
static int place_of(struct teller *teller, const struct process *process, const struct record *record, const char *name,
                    struct place *place)
{
    if (!record->length || !start_of(process, record, name, &place->start))
        return 0;
    const char *slash = memrchr(name, '/', record->length);
    place->last = slash ? slash + 1 : name;
    place->before = slash ? (uint32_t)(slash - name) : 0;
    place->length = record->length - (uint32_t)(place->last - name);
    place->folder = shark_folder_at(&teller->folders, &place->start, name, place->before);
    return 1;
}

/* Whether a directory that is known, or is to be, has a place. */
static int has_room(const struct teller *teller, const struct folder *folder)
{
    return folder->hash || !shark_folders_are_full(&teller->folders);
}

/* Find out how the directory is called that an absolute name has before its last slash; 0 if that is left to others. Its
 * true path is asked only for a file that was found in it. */
static int explore(struct teller *teller, struct place *place, const struct record *record, const char *name)
{
    char text[4 * PATH_MAX], *used = text, *path;
    if (place->start.kind != ABSOLUTE || place->before >= PATH_ROOM || !has_room(teller, place->folder))
        return 0;
    int length = shark_squeeze(name, place->before, used);
    if (length < 0 || !shark_is_harmless(&teller->words, used, (uint32_t)length))
        return 0;
    uint32_t lengths[4] = {(uint32_t)length, 0, (uint32_t)length, 0};
    path = used + length;
    *path = 0;
    if (record->result >= 0) {
        char true_path[PATH_MAX];
        lengths[1] = shark_true_path(length ? used : "/", NULL, true_path, sizeof true_path);
        if (!lengths[1] || !shark_is_harmless(&teller->words, true_path, lengths[1]))
            return 0;
        lengths[1] -= lengths[1] == 1;  /* the root: its slash comes before what is in it */
        lengths[3] = lengths[1];
        memcpy(path, true_path, lengths[1]);
    }
    char *shown = path + lengths[1];
    memmove(put(shown, used, lengths[2]), path, lengths[3]);
    if (!shark_folders_learn(&teller->folders, place, name, text, lengths, record->result >= 0))
        return 0;
    place->folder->checked = record->result >= 0 ? teller->reading : 0;
    return 1;
}

/* Names may start from a directory that was opened: let it be known by what it is. */
static void learn_start(struct teller *teller, const struct record *record, const char *path, uint32_t length)
{
    uint64_t device = makedev(record->major, record->minor);
    struct place place = {.start = {FROM_DIRECTORY, device, record->ino, record->birth}};
    length -= length == 1;  /* the root */
    uint32_t lengths[4] = {length, length, length, length};
    place.folder = shark_folder_at(&teller->folders, &place.start, "", 0);
    const struct folder *known = place.folder;
    int is_known = known->hash && known->has_path && known->path == length && known->used == length &&
                   memcmp(known->text, path, length) == 0 && memcmp(known->text + length, path, length) == 0;
    if (is_known || !has_room(teller, known) || 4 * length > LONGEST || shark_is_by_thread(path, length) ||
        !shark_is_harmless(&teller->words, path, length))
        return;
    char text[LONGEST], *end = text;
    for (int n = 0; n < 4; n++)
        end = put(end, path, length);
    shark_folders_learn(&teller->folders, &place, "", text, lengths, 1);
}

/* Where a record's file lies; 0 if that is to be asked, or its name is unusual. */
static int find(struct teller *teller, const struct process *process, const struct record *record, const char *name,
                struct place *place)
{
    if (!place_of(teller, process, record, name, place) || !shark_is_simple(&teller->words, place->last, place->length))
        return 0;
    int is_enough = place->folder->hash && (record->result < 0 || place->folder->has_path);
    return is_enough || explore(teller, place, record, name);
}

/* A path in `to`, with NUL: `folder`, a slash, and the last part. Returns how long it is. */
static uint32_t join(char *to, const char *folder, uint32_t length, const struct place *place)
{
    char *end = put(to, folder, length);
    *end++ = '/';
    end = put(end, place->last, place->length);
    *end = 0;
    return (uint32_t)(end - to);
}

/* Write a record's line; 0 if there is no room. `target` is the true path where a symbolic link leads to it. */
static int put_line(struct teller *teller, const struct record *record, const struct place *place, const char *target,
                    uint32_t target_length)
{
    const struct folder *folder = place->folder;
    const char *used = folder->text + folder->name + folder->used + folder->path, *last = place->last;
    uint32_t size = folder->used_text + folder->path_text + target_length + 2 * place->length + NUMBERS;
    if (LINES - teller->line_bytes < size)
        return 0;
    char *line = teller->room->lines + teller->line_bytes, *at = line;
    unsigned long long begin = record->begin, end = record->end;
    if (record->result < 0) {
        at += sprintf(at, "[%u,%llu,%llu,%u,", teller->missing, begin, end, record->process);
        at = put_path(at, used, folder->used_text, last, place->length);
        at = put(at, ",false]\n", 8);
    } else {
        int access = S_ISDIR(record->mode) ? LIST : READ;
        at += sprintf(at, "[%u,%llu,%llu,%u,%d,[", teller->opened, begin, end, record->process, access);
        if (target_length) {
            *at++ = '"';
            at = put(at, target, target_length);
            *at++ = '"';
        } else {
            at = put_path(at, used + folder->used_text, folder->path_text, last, place->length);
        }
        *at++ = ',';
        at = put_path(at, used, folder->used_text, last, place->length);
        at += sprintf(at, ",[[%llu,%llu,%lld],%u,%llu,%lld,%u]],false,false,false,null,\"open\"]\n",
                      (unsigned long long)makedev(record->major, record->minor), (unsigned long long)record->ino,
                      (long long)record->birth, record->mode, (unsigned long long)record->size,
                      (long long)record->mtime, record->nlink);
    }
    teller->line_bytes += (uint32_t)(at - line);
    return 1;
}

/* Whether the run has written to the file. */
static int is_written(const struct teller *teller, const struct record *record)
{
    uint64_t device = makedev(record->major, record->minor);
    return teller->written.count && set_has(&teller->written, number_of_file(device, record->ino, record->birth));
}

/* Whether a record that has found something is of a kind that can be told of. */
static int is_usual(const struct teller *teller, const struct record *record)
{
    return !(record->flags & O_PATH) && (S_ISDIR(record->mode) || (S_ISREG(record->mode) && !is_written(teller, record)));
}

/* Tell of one record; 0 if that is left to others. */
static int tell(struct teller *teller, const struct record *record, const char *name)
{
    int found = record->result >= 0;
    struct process *process = process_of(teller, record->process);
    struct place place;
    if (!process || (found && !is_usual(teller, record)) || !find(teller, process, record, name, &place))
        return 0;
    char used[JOINED], path[JOINED], target[PATH_MAX];
    const char *names = place.folder->text + place.folder->name;
    uint32_t used_length = join(used, names, place.folder->used, &place), length = 0, target_length = 0;
    uint64_t number = number_of(used, used_length, record);
    if (shark_holds_secret(&teller->words, used, used_length))
        return 0;
    if (found) {
        length = join(path, names + place.folder->used, place.folder->path, &place);
        if (!shark_folder_is_true(place.folder, teller->reading))
            return 0;
        if (!shark_leads_to(path, record)) {  /* through a link, if at all */
            target_length = shark_true_path(used, record, target, sizeof target);
            if (!target_length || !shark_is_harmless(&teller->words, target, target_length))
                return 0;
            memcpy(path, target, length = target_length);
        }
        number = hash(path, length, number);  /* the same file may have been told of by another path */
        if (shark_holds_secret(&teller->words, path, length))
            return 0;
    }
    if (!set_has(&process->told, number) &&
        (!put_line(teller, record, &place, target, target_length) || !set_add(&process->told, number)))
        return 0;
    if (found)
        note_got(teller, record);
    if (found && S_ISDIR(record->mode)) {
        memcpy(teller->room->directory, path, length);
        teller->directory = length;
        learn_start(teller, record, path, length);
    }
    return 1;
}

/* --- called by telling.py */

uint32_t shark_teller_room(void) { return sizeof(struct room); }

/* A teller that knows nothing, with room for what comes of it; `opened` and `missing` are the events' codes. NULL without
 * memory. */
struct teller *shark_teller(struct room *room, uint32_t opened, uint32_t missing)
{
    struct teller *teller = calloc(1, sizeof *teller);
    if (teller) {
        teller->room = room;
        teller->opened = opened;
        teller->missing = missing;
    }
    return teller;
}

/* Words, each with a NUL behind it: which (0) names of credentials have in them, (1) credentials begin with, (2) are
 * secrets, and (3), without NUL, the end of names that are shark's own. They are used until others take their place. */
void shark_teller_words(struct teller *teller, int which, const char *text, uint32_t size)
{
    struct words *words = &teller->words;
    struct texts *all[] = {&words->names, &words->heads, &words->secrets, &words->own};
    *all[which] = (struct texts){text, size};
}

/* A process of which records will come; `number` is known no more with `gone`. 0 without memory. */
int shark_teller_process(struct teller *teller, uint32_t number, int gone)
{
    struct process *process = process_of(teller, number);
    if (gone) {
        if (process) {
            set_clear(&process->told);
            *process = teller->processes[--teller->process_count];
        }
        return 1;
    }
    if (process)
        return 1;
    if (teller->process_count == teller->process_room) {
        uint32_t room = teller->process_room ? 2 * teller->process_room : 16;
        struct process *more = realloc(teller->processes, room * sizeof *more);
        if (!more)
            return 0;
        teller->processes = more;
        teller->process_room = room;
    }
    teller->processes[teller->process_count++] = (struct process){.number = number};
    return 1;
}

/* Which directory a process works in: the same number for the same one; its relative names start there. */
void shark_teller_here(struct teller *teller, uint32_t number, uint32_t here)
{
    struct process *process = process_of(teller, number);
    if (process)
        process->here = here;
}

/* Learn how the directory is called in which a record's name lies; of the record itself others have told just now. `text`
 * holds, one after the other, as long as `lengths` say: the path as the program means it, the true one, and both as they
 * stand in JSON. Returns 1 if all others had to be forgotten. */
int shark_teller_learn(struct teller *teller, const struct record *record, const char *name, const char *text,
                       const uint32_t *lengths, int has_path)
{
    struct process *process = process_of(teller, record->process);
    int full = shark_folders_are_full(&teller->folders);
    struct place place;
    if (full)
        shark_folders_forget(&teller->folders);
    if (!process || !place_of(teller, process, record, name, &place) ||
        !shark_folders_learn(&teller->folders, &place, name, text, lengths, has_path))
        return full;
    int is_kind = S_ISREG(record->mode) || S_ISDIR(record->mode);
    int is_told = record->result < 0 || (is_kind && !(record->flags & O_PATH));  /* the latter: no access */
    if (is_told && shark_is_simple(&teller->words, place.last, place.length)) {
        char path[JOINED];
        uint32_t length = join(path, place.folder->text + place.folder->name, place.folder->used, &place);
        uint64_t number = number_of(path, length, record);
        if (record->result >= 0) {  /* through a link, others have told of another path: that is told of once more */
            const struct folder *folder = place.folder;
            length = join(path, folder->text + folder->name + folder->used, folder->path, &place);
            if (!has_path || !shark_leads_to(path, record))
                return full;
            number = hash(path, length, number);
        }
        set_add(&process->told, number);
    }
    return full;
}

/* Names may mean something else from now on (1); what was told is to be told anew (2). */
void shark_teller_forget(struct teller *teller, int what)
{
    if (what & 1)
        shark_folders_forget(&teller->folders);
    for (uint32_t n = 0; n < teller->process_count; n++) {
        if (what & 1)
            teller->processes[n].here = 0;
        if (what & 2)
            set_clear(&teller->processes[n].told);
    }
}

/* The run has opened a file to write to it: what is read there is another matter each time. 0 without memory. */
int shark_teller_written(struct teller *teller, uint64_t device, uint64_t ino, int64_t birth)
{
    return set_add(&teller->written, number_of_file(device, ino, birth));
}

/* Tell of records from number `from` on, whose names are in `names`, up to the first that is left to others, or behind
 * one of a directory: returns the number of the next one. `figures` becomes how many bytes of lines there are then, how
 * many stretches of processes that got files, how many of these, and how long that directory's path is, 0 without one. */
uint32_t shark_teller_tell(struct teller *teller, const struct record *records, const char *names, uint32_t from,
                           uint32_t count, uint32_t *figures)
{
    teller->line_bytes = teller->stretch_count = teller->got_count = teller->directory = 0;
    teller->reading += !from;
    while (from < count && !teller->directory && tell(teller, &records[from], names + records[from].path))
        from++;
    figures[0] = teller->line_bytes;
    figures[1] = teller->stretch_count;
    figures[2] = teller->got_count;
    figures[3] = teller->directory;
    return from;
}

void shark_teller_close(struct teller *teller)
{
    shark_folders_forget(&teller->folders);
    for (uint32_t n = 0; n < teller->process_count; n++)
        set_clear(&teller->processes[n].told);
    set_clear(&teller->written);
    free(teller->processes);
    free(teller);
}
