/* See showing.h. */
#define _GNU_SOURCE
#include <string.h>

#include "showing.h"

#define LEAST_SECRET 20         /* shorter names have no credential's shape (concealing.py) */
#define LONG_WORD 15            /* longer words may be one if they begin as credentials do (suspicion.py) */

static int is_between(char c) { return c == '-' || c == '_' || c == '.' || c == ':' || c == ' ' || c == '/'; }

/* Whether a name or a path may have the shape of a credential: the same question as suspicion.holds_mark. */
static int holds_mark(const struct words *words, const char *name, uint32_t length)
{
    for (uint32_t at = 0; at < length;) {
        uint32_t end = at;
        while (end < length && !is_between(name[end]))
            end++;
        uint32_t word = end - at, size;
        const char *known = words->names.text;
        for (; known < words->names.text + words->names.size; known += size + 1) {
            size = (uint32_t)strlen(known);
            if (size == word && memcmp(known, name + at, size) == 0)
                return 1;
        }
        known = words->heads.text;
        for (; word > LONG_WORD && known < words->heads.text + words->heads.size; known += size + 1) {
            size = (uint32_t)strlen(known);
            if (size <= word && memcmp(known, name + at, size) == 0)
                return 1;
        }
        at = end + 1;
    }
    return 0;
}

int shark_holds_secret(const struct words *words, const char *path, size_t length)
{
    const char *secret = words->secrets.text;
    for (size_t size; secret < words->secrets.text + words->secrets.size; secret += size + 1) {
        size = strlen(secret);
        if (memmem(path, length, secret, size))
            return 1;
    }
    return 0;
}

int shark_is_harmless(const struct words *words, const char *name, uint32_t length)
{
    for (uint32_t n = 0; n < length; n++)
        if (name[n] < ' ' || name[n] > '~' || name[n] == '"' || name[n] == '\\')
            return 0;
    if (words->own.size && length >= words->own.size &&
        memcmp(name + length - words->own.size, words->own.text, words->own.size) == 0)
        return 0;
    return length < LEAST_SECRET || !holds_mark(words, name, length);
}

static int is_dots(const char *part, uint32_t length)
{
    return part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'));
}

int shark_is_simple(const struct words *words, const char *last, uint32_t length)
{
    return length > 0 && length < 256 && !is_dots(last, length) && shark_is_harmless(words, last, length);
}

int shark_is_by_thread(const char *folder, uint32_t length)
{
    for (int n = 0; n < 2; n++) {
        const char *special = n ? "/proc" : "/dev";
        uint32_t least = (uint32_t)strlen(special);
        if (length >= least && memcmp(folder, special, least) == 0 && (length == least || folder[least] == '/'))
            return 1;
    }
    return 0;
}

int shark_squeeze(const char *name, uint32_t length, char *to)
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
    return shark_is_by_thread(to, size) ? -1 : (int)size;
}
