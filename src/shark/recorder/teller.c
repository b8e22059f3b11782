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
#include "layout.h"
#include "record.h"
#include "set.h"

#define FOLDERS 4096            /* places for directories: they are all forgotten when three quarters are taken */
#define LONGEST 8192            /* bytes of a directory's names, together */
#define JOINED (LONGEST + 512)  /* bytes for one of them with a last part and NUL */
#define NUMBERS 300             /* more than what the numbers and the rest of a line take */
#define LINES (1 << 20)         /* bytes: some thousand lines; what finds no room is left to others */
#define LEAST_SECRET 20         /* shorter names have no credential's shape (concealing.py) */
#define LONG_WORD 15            /* longer words may be one if they begin as credentials do (suspicion.py) */

enum { ABSOLUTE = 1, FROM_HERE = 2, FROM_DIRECTORY = 3 };
enum { READ = 1, LIST = 4 };    /* as events.py has them */

/* A directory as records name it: where the name starts and all before its last slash. */
struct start {
    uint64_t kind, device, ino;
    int64_t birth;
};

struct folder {
    uint64_t hash;
    struct start start;
    uint32_t name, used, path, used_text, path_text;  /* lengths of what stands in `text`, in this order */
    uint32_t has_path, checked; /* checked: in which reading its true path was seen to be still one */
    char *text;
};

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

/* The caller's, who keeps them. */
struct words {
    const char *text;           /* each with a NUL behind it */
    uint32_t size;
};

struct teller {
    struct folder folders[FOLDERS];
    uint32_t folder_count;
    struct process *processes;
    uint32_t process_count, process_room;
    struct set written;
    struct words names, heads, secrets, own;
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

static void forget_folders(struct teller *teller)
{
    if (teller->folder_count) {
        for (uint32_t n = 0; n < FOLDERS; n++)
            free(teller->folders[n].text);
        memset(teller->folders, 0, sizeof teller->folders);
        teller->folder_count = 0;
    }
}

static uint64_t hash_of(const struct start *start, const char *name, uint32_t length)
{
    return hash(name, length, hash((const char *)start, sizeof *start, 0)) | 1;
}

/* The entry of a directory, or the free one where it is to be put. */
static struct folder *folder_at(struct teller *teller, const struct start *start, const char *name, uint32_t length)
{
    uint64_t wanted = hash_of(start, name, length);
    uint32_t at = (uint32_t)(wanted >> 32) & (FOLDERS - 1);
    for (;; at = (at + 1) & (FOLDERS - 1)) {
        struct folder *folder = &teller->folders[at];
        if (!folder->hash)
            return folder;
        if (folder->hash == wanted && folder->name == length && memcmp(&folder->start, start, sizeof *start) == 0 &&
            memcmp(folder->text, name, length) == 0)
            return folder;
    }
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

/* --- secrets */

static int is_between(char c) { return c == '-' || c == '_' || c == '.' || c == ':' || c == ' ' || c == '/'; }

/* Whether a name or a path may have the shape of a credential: the same question as suspicion.holds_mark. */
static int holds_mark(const struct teller *teller, const char *name, uint32_t length)
{
    for (uint32_t at = 0; at < length;) {
        uint32_t end = at;
        while (end < length && !is_between(name[end]))
            end++;
        uint32_t word = end - at, size;
        const char *known = teller->names.text;
        for (; known < teller->names.text + teller->names.size; known += size + 1) {
            size = (uint32_t)strlen(known);
            if (size == word && memcmp(known, name + at, size) == 0)
                return 1;
        }
        known = teller->heads.text;
        for (; word > LONG_WORD && known < teller->heads.text + teller->heads.size; known += size + 1) {
            size = (uint32_t)strlen(known);
            if (size <= word && memcmp(known, name + at, size) == 0)
                return 1;
        }
        at = end + 1;
    }
    return 0;
}

static int holds_secret(const struct teller *teller, const char *path, size_t length)
{
    const char *secret = teller->secrets.text;
    for (size_t size; secret < teller->secrets.text + teller->secrets.size; secret += size + 1) {
        size = strlen(secret);
        if (memmem(path, length, secret, size))
            return 1;
    }
    return 0;
}

/* Whether a name or a path can be shown as it is: it stands in JSON as it is, has no credential's shape, and is not of a
 * file of shark's own. */
static int is_harmless(const struct teller *teller, const char *name, uint32_t length)
{
    for (uint32_t n = 0; n < length; n++)
        if (name[n] < ' ' || name[n] > '~' || name[n] == '"' || name[n] == '\\')
            return 0;
    if (teller->own.size && length >= teller->own.size &&
        memcmp(name + length - teller->own.size, teller->own.text, teller->own.size) == 0)
        return 0;
    return length < LEAST_SECRET || !holds_mark(teller, name, length);
}

static int is_dots(const char *part, uint32_t length)
{
    return part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'));
}

/* Whether the last part of a name can be shown as it is, and is nothing special. */
static int is_simple(const struct teller *teller, const char *last, uint32_t length)
{
    return length > 0 && length < 256 && !is_dots(last, length) && is_harmless(teller, last, length);
}

/* --- telling */

/* Whether a directory's true path is one: no symbolic link is in it. Mounts, which nobody is told of, and others than the
 * run may have put one there. Asked once a reading. */
static int is_true(struct teller *teller, struct folder *folder)
{
    if (folder->checked == teller->reading)
        return 1;
    char path[LONGEST + 1];
    memcpy(path, folder->text + folder->name + folder->used, folder->path);
    path[folder->path] = 0;
    if (!shark_is_true(folder->path ? path : "/"))
        return 0;
    folder->checked = teller->reading;
    return 1;
}

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

static char *put(char *at, const char *text, uint32_t length)
{
    memcpy(at, text, length);
    return at + length;
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

/* The last part of a name, and the directory before it. */
struct place {
    struct start start;
    struct folder *folder;
    const char *last;
    uint32_t before, length;    /* of what is before the last slash, and of the last part */
};

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
    place->folder = folder_at(teller, &place->start, name, place->before);
    return 1;
}

/* Let a place's directory be known. `text` holds what shark_teller_learn says. 0 if it finds no room. */
static int learn(struct teller *teller, struct place *place, const char *name, const char *text, const uint32_t *lengths,
                 int has_path)
{
    uint64_t size = place->before;
    for (int n = 0; n < 4; n++)
        size += lengths[n];
    char *copy = size <= LONGEST ? malloc(size ? size : 1) : NULL;
    if (!copy)
        return 0;
    memcpy(copy, name, place->before);
    memcpy(copy + place->before, text, size - place->before);
    if (place->folder->hash)
        free(place->folder->text);
    else
        teller->folder_count++;
    *place->folder = (struct folder){
        .hash = hash_of(&place->start, name, place->before), .start = place->start, .name = place->before,
        .used = lengths[0], .path = lengths[1], .used_text = lengths[2], .path_text = lengths[3],
        .has_path = has_path != 0, .text = copy,
    };
    return 1;
}

static int is_full(const struct teller *teller) { return teller->folder_count >= FOLDERS / 4 * 3; }

/* Whether names in a directory may mean something else to each thread (look.own_path). */
static int is_by_thread(const char *folder, uint32_t length)
{
    for (int n = 0; n < 2; n++) {
        const char *special = n ? "/proc" : "/dev";
        uint32_t least = (uint32_t)strlen(special);
        if (length >= least && memcmp(folder, special, least) == 0 && (length == least || folder[least] == '/'))
            return 1;
    }
    return 0;
}

/* An absolute path without repeated slashes, in `to`, as look.absolute and look.own_path have it; -1 where it means
 * something else to each thread, or has dots as a part. */
static int squeeze(const char *name, uint32_t length, char *to)
{
    char *end = to;
    for (uint32_t at = 0; at < length;) {
        uint32_t from = at;
        while (at < length && name[at] != '/')
            at++;
        if (at > from) {
            if (is_dots(name + from, at - from))
                return -1;
            *end++ = '/';
            end = put(end, name + from, at - from);
        }
        at++;
    }
    uint32_t size = (uint32_t)(end - to);
    return is_by_thread(to, size) ? -1 : (int)size;
}

/* Find out how the directory is called that an absolute name has before its last slash; 0 if that is left to others. Its
 * true path is asked only for a file that was found in it. */
static int explore(struct teller *teller, struct place *place, const struct record *record, const char *name)
{
    char text[4 * PATH_MAX], *used = text, *path;
    if (place->start.kind != ABSOLUTE || place->before >= PATH_ROOM || (!place->folder->hash && is_full(teller)))
        return 0;
    int length = squeeze(name, place->before, used);
    if (length < 0 || !is_harmless(teller, used, (uint32_t)length))
        return 0;
    uint32_t lengths[4] = {(uint32_t)length, 0, (uint32_t)length, 0};
    path = used + length;
    *path = 0;
    if (record->result >= 0) {
        char true_path[PATH_MAX];
        lengths[1] = shark_true_path(length ? used : "/", NULL, true_path, sizeof true_path);
        if (!lengths[1] || !is_harmless(teller, true_path, lengths[1]))
            return 0;
        lengths[1] -= lengths[1] == 1;  /* the root: its slash comes before what is in it */
        lengths[3] = lengths[1];
        memcpy(path, true_path, lengths[1]);
    }
    char *shown = path + lengths[1];
    memmove(put(shown, used, lengths[2]), path, lengths[3]);
    if (!learn(teller, place, name, text, lengths, record->result >= 0))
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
    place.folder = folder_at(teller, &place.start, "", 0);
    const struct folder *known = place.folder;
    int is_known = known->hash && known->has_path && known->path == length && known->used == length &&
                   memcmp(known->text, path, length) == 0 && memcmp(known->text + length, path, length) == 0;
    if (is_known || (!known->hash && is_full(teller)) || 4 * length > LONGEST || !is_harmless(teller, path, length) ||
        is_by_thread(path, length))
        return;
    char text[LONGEST], *end = text;
    for (int n = 0; n < 4; n++)
        end = put(end, path, length);
    learn(teller, &place, "", text, lengths, 1);
}

/* Where a record's file lies; 0 if that is to be asked, or its name is unusual. */
static int find(struct teller *teller, const struct process *process, const struct record *record, const char *name,
                struct place *place)
{
    if (!place_of(teller, process, record, name, place) || !is_simple(teller, place->last, place->length))
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
    if (holds_secret(teller, used, used_length))
        return 0;
    if (found) {
        length = join(path, names + place.folder->used, place.folder->path, &place);
        if (!is_true(teller, place.folder))
            return 0;
        if (!shark_leads_to(path, record)) {  /* through a link, if at all */
            target_length = shark_true_path(used, record, target, sizeof target);
            if (!target_length || !is_harmless(teller, target, target_length))
                return 0;
            memcpy(path, target, length = target_length);
        }
        number = hash(path, length, number);  /* the same file may have been told of by another path */
        if (holds_secret(teller, path, length))
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
    struct words *all[] = {&teller->names, &teller->heads, &teller->secrets, &teller->own};
    *all[which] = (struct words){text, size};
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
    int full = is_full(teller);
    struct place place;
    if (full)
        forget_folders(teller);
    if (!process || !place_of(teller, process, record, name, &place) ||
        !learn(teller, &place, name, text, lengths, has_path))
        return full;
    int is_kind = S_ISREG(record->mode) || S_ISDIR(record->mode);
    int is_told = record->result < 0 || (is_kind && !(record->flags & O_PATH));  /* the latter: no access */
    if (is_told && is_simple(teller, place.last, place.length)) {
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
        forget_folders(teller);
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
    forget_folders(teller);
    for (uint32_t n = 0; n < teller->process_count; n++)
        set_clear(&teller->processes[n].told);
    set_clear(&teller->written);
    free(teller->processes);
    free(teller);
}
