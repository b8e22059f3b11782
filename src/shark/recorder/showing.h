/* Which names and paths the teller may show as they are. */
#ifndef SHARK_SHOWING_H
#define SHARK_SHOWING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The caller's, who keeps them. */
struct texts {
    const char *text;           /* each with a NUL behind it */
    uint32_t size;
};

/* What names of credentials have in them, what credentials begin with, what is a secret, and (without NUL) how names of
 * shark's own files end. */
struct words {
    struct texts names, heads, secrets, own;
};

static inline char *put(char *at, const char *text, uint32_t length)
{
    memcpy(at, text, length);
    return at + length;
}

/* Whether a path has a known secret in it. */
int shark_holds_secret(const struct words *words, const char *path, size_t length);

/* Whether a name or a path can be shown as it is: it stands in JSON as it is, has no credential's shape, and is not of a
 * file of shark's own. */
int shark_is_harmless(const struct words *words, const char *name, uint32_t length);

/* Whether the last part of a name can be shown as it is, and is nothing special. */
int shark_is_simple(const struct words *words, const char *last, uint32_t length);

/* Whether names in a directory may mean something else to each thread (look.own_path). */
int shark_is_by_thread(const char *folder, uint32_t length);

/* An absolute path without repeated slashes, in `to`, as look.absolute and look.own_path have it; -1 where it means
 * something else to each thread, or has dots as a part. */
int shark_squeeze(const char *name, uint32_t length, char *to);

#endif
