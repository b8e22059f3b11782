/* Directories as records name them, and what they are called: forgotten whenever names may mean something else. */
#ifndef SHARK_FOLDERS_H
#define SHARK_FOLDERS_H

#include <stdint.h>

#define FOLDERS 4096            /* places for directories: they are all forgotten when three quarters are taken */
#define LONGEST 8192            /* bytes of a directory's names, together */

enum { ABSOLUTE = 1, FROM_HERE = 2, FROM_DIRECTORY = 3 };

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

struct folders {
    struct folder all[FOLDERS];
    uint32_t count;
};

/* The last part of a name, and the directory before it. */
struct place {
    struct start start;
    struct folder *folder;
    const char *last;
    uint32_t before, length;    /* of what is before the last slash, and of the last part */
};

/* The entry of a directory, or the free one where it is to be put. */
struct folder *shark_folder_at(struct folders *folders, const struct start *start, const char *name, uint32_t length);

/* Let a place's directory be known. `text` holds, one after the other, as long as `lengths` say: the path as the program
 * means it, the true one, and both as they stand in JSON. 0 if it finds no room. */
int shark_folders_learn(struct folders *folders, struct place *place, const char *name, const char *text,
                        const uint32_t *lengths, int has_path);

/* Whether there is no room for a further one. */
int shark_folders_are_full(const struct folders *folders);

/* Whether a directory's true path is one: no symbolic link is in it. Mounts, which nobody is told of, and others than the
 * run may have put one there. Asked once a `reading`. */
int shark_folder_is_true(struct folder *folder, uint32_t reading);

void shark_folders_forget(struct folders *folders);

#endif
