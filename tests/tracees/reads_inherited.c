/* reads_inherited HOW N: a child without an exec reads what its parent has open, after that was written to.
 *
 * `log` is opened to be read: by the process that alone writes to it ("open", or "map" for a mapping), or by one that has
 * read N other files before ("many"), whereas others write to it. Then the content of `in` is appended to it, and a
 * child writes what it reads by the inherited way to `out`. They wait for each other by signals: a pipe, or shared
 * memory, would be a way for data, too. */
#include "tracee.h"

static sigset_t signals;

static pid_t await(void)
{
	siginfo_t about;
	MUST(sigwaitinfo(&signals, &about));
	return about.si_value.sival_int;
}

static void wake(pid_t pid, pid_t other)
{
	MUST(sigqueue(pid, SIGUSR1, (union sigval){.sival_int = other}));
}

static void store(const char *path, int flags, const char *text, size_t size)
{
	int fd = MUST(open(path, O_WRONLY | flags, 0644));
	MUST(write(fd, text, size));
	MUST(close(fd));
}

/* Opens `log`, and leaves it to a child to read it; returns that. */
static pid_t leave(int mapped)
{
	char text[256];
	int fd = MUST(open("log", O_RDONLY));
	const char *map = mapped ? mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	pid_t child = MUST(fork());
	if (child)
		return child;
	await();
	ssize_t size = map ? (ssize_t)strlen(map) : MUST(pread(fd, text, sizeof text, 0));
	store("out", O_CREAT | O_TRUNC, map ? map : text, (size_t)size);
	_exit(0);
}

static void make(int count)
{
	char path[32];
	for (int n = 0; n < count; n++) {
		snprintf(path, sizeof path, "other%d", n);
		store(path, O_CREAT, path, strlen(path));
	}
	store("log", O_CREAT | O_TRUNC, "begun\n", 6);
}

static void read_others(int count)
{
	char path[32], text[32];
	for (int n = 0; n < count; n++) {
		snprintf(path, sizeof path, "other%d", n);
		int fd = MUST(open(path, O_RDONLY));
		MUST(read(fd, text, sizeof text));
		MUST(close(fd));
	}
}

static void append(void)
{
	char text[256];
	int in = MUST(open("in", O_RDONLY));
	ssize_t size = MUST(read(in, text, sizeof text));
	store("log", O_APPEND, text, (size_t)size);
}

int main(int argc, char **argv)
{
	int status, many;
	pid_t first = getpid(), child;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (argc < 3)
		return 2;
	many = strcmp(argv[1], "many") == 0;
	if (!many) {
		make(0);
	} else if (MUST(fork()) == 0) {
		make(atoi(argv[2]));
		_exit(0);
	} else {
		MUST(wait(&status));
	}
	if (many) {
		if (MUST(fork()) == 0) {
			read_others(atoi(argv[2]));
			wake(first, child = leave(0));
			MUST(waitpid(child, &status, 0));
			_exit(status != 0);
		}
		child = await();
	} else {
		child = leave(strcmp(argv[1], "map") == 0);
	}
	if (many) {
		pid_t writer = MUST(fork());
		if (writer == 0) {
			append();
			_exit(0);
		}
		MUST(waitpid(writer, &status, 0));
	} else {
		append();
	}
	wake(child, 0);
	MUST(wait(&status));
	return status != 0;
}
