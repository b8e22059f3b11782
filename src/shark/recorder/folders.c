/* See folders.h. */
#include <string.h>

#include "asking.h"
#include "folders.h"
#include "set.h"

static uint64_t hash_of(const struct start *start, const char *name, uint32_t length)
{
    return hash(name, length, hash((const char *)start, sizeof *start, 0)) | 1;
}

struct folder *shark_folder_at(struct folders *folders, const struct start *start, const char *name, uint32_t length)
{
    uint64_t wanted = hash_of(start, name, length);
    uint32_t at = (uint32_t)(wanted >> 32) & (FOLDERS - 1);
    for (;; at = (at + 1) & (FOLDERS - 1)) {
        struct folder *folder = &folders->all[at];
        if (!folder->hash)
            return folder;
        if (folder->hash == wanted && folder->name == length && memcmp(&folder->start, start, sizeof *start) == 0 &&
            memcmp(folder->text, name, length) == 0)
            return folder;
    }
}

int shark_folders_are_full(const struct folders *folders) { return folders->count >= FOLDERS / 4 * 3; }

int shark_folders_learn(struct folders *folders, struct place *place, const char *name, const char *text,
                        const uint32_t *lengths, int has_path)
{
    struct folder *folder = place->folder;
    uint64_t size = place->before;
    for (int n = 0; n < 4; n++)
        size += lengths[n];
    if (size > LONGEST)
        return 0;
    char *copy = malloc(size + 1);  /* one more: there may be nothing to keep */
    if (!copy)
        return 0;
    memcpy(copy, name, place->before);
    memcpy(copy + place->before, text, size - place->before);
    if (folder->hash)
        free(folder->text);
    else
        folders->count++;
    folder->text = copy;
    folder->hash = hash_of(&place->start, name, place->before);
    folder->start = place->start;
    folder->name = place->before;
    folder->used = lengths[0];
    folder->path = lengths[1];
    folder->used_text = lengths[2];
    folder->path_text = lengths[3];
    folder->has_path = has_path != 0;
    folder->checked = 0;
    return 1;
}

int shark_folder_is_true(struct folder *folder, uint32_t reading)
{
    if (folder->checked == reading)
        return 1;
    char path[LONGEST + 1];
    memcpy(path, folder->text + folder->name + folder->used, folder->path);
    path[folder->path] = 0;
    if (!shark_is_true(folder->path ? path : "/"))
        return 0;
    folder->checked = reading;
    return 1;
}

void shark_folders_forget(struct folders *folders)
{
    if (folders->count) {
        for (uint32_t n = 0; n < FOLDERS; n++)
            free(folders->all[n].text);
        memset(folders->all, 0, sizeof folders->all);
        folders->count = 0;
    }
}
