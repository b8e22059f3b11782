/* What shark remembers of an earlier call must not hide a later one, nor tell it as another: remembered WHAT. All files
   are opened so often that their process is hot. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include "tracee.h"

enum { TIMES = 40 };

static char *self;

static void often(const char *path, int flags)
{
	for (int i = 0; i < TIMES; i++)
		MUST(close(MUST(open(path, O_RDONLY | flags))));
}

static void becomes(const char *what)
{
	MUST(execl(self, self, what, NULL));
}

static void copies_input(void)
{
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(0, out);
}

/* What is to be closed by an exec stays open in a duplicate. */
static void duplicates(void)
{
	often("in", O_CLOEXEC);
	int in = MUST(open("in", O_RDONLY | O_CLOEXEC));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(dup2(in, 0));
		becomes("copies_input");
	}
	reap(child);
}

/* The same file is opened again, this time to stay open across an exec. */
static void stays_open(void)
{
	often("in", O_CLOEXEC);
	MUST(close(0));
	if (MUST(open("in", O_RDONLY)) != 0)
		_exit(3);
	becomes("copies_input");
}

static void absent(const char *path)
{
	if (open(path, O_RDONLY) >= 0)
		_exit(3);
}

/* The same relative name, in one directory after the other. */
static void changes_directory(void)
{
	often("in", 0);
	absent("none");
	MUST(chdir("one"));
	absent("none");
	slurp("in");
	int two = MUST(open("../two", O_RDONLY | O_DIRECTORY));
	MUST(fchdir(two));
	absent("none");
	slurp("in");
}

static void *elsewhere(void *unused)
{
	(void)unused;
	MUST(unshare(CLONE_FS));
	MUST(chdir("one"));
	absent("none");
	slurp("in");
	return NULL;
}

/* The same relative name, in a thread with a directory of its own. */
static void is_elsewhere(void)
{
	pthread_t thread;
	often("in", 0);
	absent("none");
	if (pthread_create(&thread, NULL, elsewhere, NULL))
		_exit(3);
	pthread_join(thread, NULL);
	slurp("two/in");
}

static const struct {
	const char *name;
	void (*does)(void);
} ALL[] = {
	{"changes_directory", changes_directory},
	{"copies_input", copies_input},
	{"duplicates", duplicates},
	{"is_elsewhere", is_elsewhere},
	{"stays_open", stays_open},
};

int main(int argc, char **argv)
{
	(void)argc;
	self = argv[0];
	for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++)
		if (strcmp(ALL[i].name, argv[1]) == 0) {
			ALL[i].does();
			return 0;
		}
	return 4;
}
