/* Finds in a program's code where calls of certain numbers may be made: sites.py then looks at each of those. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether one of the numbers stands in so many bytes, as an instruction holds it. */
static int holds_one(const char *code, size_t size, const uint32_t *numbers, uint32_t count)
{
    for (size_t at = 0; at + sizeof(uint32_t) <= size; at++) {
        uint32_t word;
        memcpy(&word, code + at, sizeof word);
        for (uint32_t n = 0; n < count; n++)
            if (word == numbers[n])
                return 1;
    }
    return 0;
}

/* Where, from `from` on, `syscall` instructions are that have one of the numbers in the `before` bytes in front of them:
 * offsets into `found`, at most `room`. Returns how many. */
uint32_t shark_calls(const char *code, size_t size, size_t from, uint32_t before, const uint32_t *numbers, uint32_t count,
                     uint64_t *found, uint32_t room)
{
    uint32_t calls = 0;
    for (from++; calls < room && from < size; from++) {
        const char *end = memchr(code + from, 0x05, size - from);  /* the second byte: a tenth of what memmem takes */
        if (!end)
            break;
        from = (size_t)(end - code);
        size_t offset = from - 1, near = offset < before ? offset : before;
        if (end[-1] == 0x0f && holds_one(end - 1 - near, near, numbers, count))
            found[calls++] = offset;
    }
    return calls;
}
