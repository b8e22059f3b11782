/* A worker as those of a pool: it holds a pipe above a free number, and opens many files by that number.
 *
 * The writer reads in.0 to in.N into a pipe, closes that, then reads `late`, makes `own`, and reads `later` into `last`.
 * The reader of the pipe writes what comes into `out`.
 */
#include "tracee.h"


static void pass(const char *from, int to)
{
    char text[64];
    int in = open(from, O_RDONLY);
    ssize_t count = read(in, text, sizeof text);
    if (in < 0 || count <= 0 || (to >= 0 && write(to, text, (size_t)count) != count))
        _exit(2);
    close(in);
}

int main(int argc, char **argv)
{
    int low[2], count = argc > 1 ? atoi(argv[1]) : 40;
    if (pipe(low) || dup2(low[0], 19) < 0 || dup2(low[1], 20) < 0)
        return 3;
    close(low[0]);
    close(low[1]);
    pid_t reader = fork();
    if (reader == 0) {
        char text[64];
        ssize_t got;
        close(20);
        int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        while ((got = read(19, text, sizeof text)) > 0)
            if (write(out, text, (size_t)got) != got)
                _exit(4);
        _exit(0);
    }
    close(19);
    for (int n = 0; n < count; n++) {
        char name[32];
        snprintf(name, sizeof name, "in.%d", n);
        pass(name, 20);
    }
    close(20);
    int status;
    if (waitpid(reader, &status, 0) != reader || status)
        return 5;
    pass("late", -1);
    int own = open("own", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (own < 0 || write(own, "own", 3) != 3)
        return 6;
    close(own);
    pass("later", -1);
    int last = open("last", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    pass("later", last);
    return 0;
}
