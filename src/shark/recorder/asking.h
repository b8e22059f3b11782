/* What the kernel says of paths, for the teller: never by a question to a file server that stat(2) would not ask. */
#ifndef SHARK_ASKING_H
#define SHARK_ASKING_H

#include <stdint.h>

#include "record.h"

/* Whether a path leads to the file that was opened; it may be no symbolic link. */
int shark_leads_to(const char *path, const struct record *record);

/* Whether a directory's path is a true one: no symbolic link is in it. A kernel before 5.6 cannot tell: 1. */
int shark_is_true(const char *path);

/* Where a path leads: its true path into `to`, which has `room` bytes, with NUL. With a record, it must lead to the file
 * that was opened. Returns how long it is; 0 if there is none, or it does not fit. */
uint32_t shark_true_path(const char *path, const struct record *record, char *to, uint32_t room);

#endif
