/* What every tracee needs: calls that must succeed, a copy, a wait. Tracees order their processes with pipes, never with
   sleeps. Exit 2: the program itself failed (its stderr says where); exit 77: this kernel or sandbox lacks the feature. */
#ifndef TRACEE_H
#define TRACEE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(2);
}

#define MUST(call)                      \
	({                              \
		long must_ = (long)(call); \
		if (must_ == -1)        \
			die(#call);     \
		must_;                  \
	})

/* Ends the tracee as "not possible here" when errno is one that a lacking feature gives. */
static inline void unsupported(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(77);
}

static inline void copy_fd(int from, int to)
{
	char buffer[4096];
	ssize_t n;
	while ((n = MUST(read(from, buffer, sizeof buffer))) > 0)
		MUST(write(to, buffer, n));
}

static inline void copy(const char *from, const char *to)
{
	int in = MUST(open(from, O_RDONLY));
	int out = MUST(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(in, out);
	MUST(close(in));
	MUST(close(out));
}

static inline void put(const char *path, const char *text)
{
	int out = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	MUST(write(out, text, strlen(text)));
	MUST(close(out));
}

static inline void slurp(const char *path)
{
	char buffer[4096];
	int in = MUST(open(path, O_RDONLY));
	while (MUST(read(in, buffer, sizeof buffer)) > 0)
		;
	MUST(close(in));
}

/* Waits for a child of any clone kind; it must have ended well. */
static inline void reap(pid_t child)
{
	int status;
	MUST(waitpid(child, &status, __WALL));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			_exit(77);
		fprintf(stderr, "child ended with status %#x\n", status);
		_exit(2);
	}
}

/* One byte through a pipe: "I am there". */
static inline void tell(int fd)
{
	MUST(write(fd, "x", 1));
}

static inline void hear(int fd)
{
	char byte;
	if (MUST(read(fd, &byte, 1)) != 1) {
		fprintf(stderr, "nobody spoke\n");
		_exit(2);
	}
}
#endif
