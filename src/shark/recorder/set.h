/* Sets of numbers of 64 bits, and such numbers for what is longer. */
#ifndef SHARK_SET_H
#define SHARK_SET_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that stand for what was told, or what was written: a set that grows. */
struct set {
    uint64_t *place;
    uint32_t size, count;       /* size: a power of two, or 0 */
};

static inline uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 33) * UINT64_C(0xff51afd7ed558ccd);
    value = (value ^ value >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

static inline uint64_t hash(const char *text, uint32_t length, uint64_t seed)
{
    uint64_t value = mix(seed + length), word;
    for (; length >= 8; text += 8, length -= 8) {
        memcpy(&word, text, 8);
        value = mix(value ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    word = 0;
    memcpy(&word, text, length);
    return mix(value ^ word);
}

static inline int set_grow(struct set *set)
{
    uint32_t size = set->size ? 2 * set->size : 64;
    uint64_t *place = calloc(size, sizeof *place);
    if (!place)
        return 0;
    for (uint32_t n = 0; n < set->size; n++) {
        if (!set->place[n])
            continue;
        uint32_t at = (uint32_t)set->place[n] & (size - 1);
        while (place[at])
            at = (at + 1) & (size - 1);
        place[at] = set->place[n];
    }
    free(set->place);
    set->place = place;
    set->size = size;
    return 1;
}

static inline int set_has(const struct set *set, uint64_t number)
{
    number += !number;
    if (!set->size)
        return 0;
    for (uint32_t at = (uint32_t)number & (set->size - 1); set->place[at]; at = (at + 1) & (set->size - 1))
        if (set->place[at] == number)
            return 1;
    return 0;
}

/* 0 without memory. */
static inline int set_add(struct set *set, uint64_t number)
{
    number += !number;
    if (set_has(set, number))
        return 1;
    if (4 * (uint64_t)set->count >= 3 * (uint64_t)set->size && !set_grow(set))
        return 0;
    uint32_t at = (uint32_t)number & (set->size - 1);
    while (set->place[at])
        at = (at + 1) & (set->size - 1);
    set->place[at] = number;
    set->count++;
    return 1;
}

static inline void set_clear(struct set *set)
{
    free(set->place);
    *set = (struct set){0};
}

#endif
