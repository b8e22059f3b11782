/* Executes a script of operations, so that a test can say in text what a whole tree of processes does.

   interpreter SCRIPT          runs it from its first line
   interpreter SCRIPT LINE     goes on at LINE, up to the end of the block around it (what `exec` does)

   One operation a line, words separated by single spaces. An operation that can fail ends with the errno that it must
   give, 0 for success; whatever else happens ends the program with status 2 and the line's number. A block goes from
   `tree` or `proc` to its `end`; whoever starts a process or thread waits for it, so that all that happens in a tree
   happens in the order of its lines. Trees have directories of their own, and `jobs` of them run at a time.

   A descriptor's number is fixed by the script (from 100 up); -100 is AT_FDCWD. 90 and 91 are the ends of a socketpair. */
#include "tracee.h"
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#define GIVE 90
#define TAKE 91
#define WORDS 10
#define UNTRACED 0x00800000

static char **lines;
static int count;
static const char *script;

static void fail(int line, const char *what, int got)
{
	fprintf(stderr, "line %d: %s: %s: %s\n", line + 1, lines[line], what, strerror(got));
	_exit(2);
}

static void load(const char *path)
{
	struct stat about;
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	MUST(fstat(fd, &about));
	char *text = malloc(about.st_size + 1);
	off_t have = 0;
	while (have < about.st_size)
		have += MUST(read(fd, text + have, about.st_size - have));
	text[have] = 0;
	MUST(close(fd));
	lines = malloc((have + 1) * sizeof *lines);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		lines[count++] = line;
	script = path;
}

static int opens_block(const char *line)
{
	return strncmp(line, "tree ", 5) == 0 || strncmp(line, "proc ", 5) == 0;
}

/* The line after the end of the block that begins at `line`. */
static int after(int line)
{
	for (int depth = 0;; line++) {
		depth += opens_block(lines[line]) - (strcmp(lines[line], "end") == 0);
		if (depth == 0)
			return line + 1;
	}
}

static int split(const char *line, char *room, size_t size, char **words)
{
	int n = 0;
	char *rest;
	snprintf(room, size, "%s", line);
	for (char *word = strtok_r(room, " ", &rest); word && n < WORDS; word = strtok_r(NULL, " ", &rest))
		words[n++] = word;
	for (int i = n; i < WORDS; i++)
		words[i] = "";
	return n;
}

/* Asks for a path that is not there: so the tracer's process can be told from the script's number for it. */
static void mark(const char *number)
{
	char path[64];
	snprintf(path, sizeof path, "/mark/%s", number);
	if (open(path, O_RDONLY) != -1 || errno != ENOENT)
		die(path);
}

static void run(int line);

static void *thread(void *line)
{
	run((int)(intptr_t)line);
	return NULL;
}

static pid_t raw_clone(unsigned long flags)
{
	return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static pid_t start(const char *kind)
{
	if (strcmp(kind, "files") == 0)
		return raw_clone(CLONE_FILES);
	if (strcmp(kind, "fs") == 0)
		return raw_clone(CLONE_FS);
	if (strcmp(kind, "untraced") == 0)
		return raw_clone(UNTRACED);
	if (strcmp(kind, "clone3") == 0) {
		struct { uint64_t words[8]; } how = {.words = {[4] = SIGCHLD}};
		return syscall(SYS_clone3, &how, sizeof how);
	}
	return fork();
}

/* A process of its own, or a thread, for the block after `line`. */
static void process(int line, char **words)
{
	volatile int first = line + 1;
	volatile pid_t child;
	if (strcmp(words[1], "thread") == 0) {
		pthread_t id;
		if (pthread_create(&id, NULL, thread, (void *)(intptr_t)first) != 0 || pthread_join(id, NULL) != 0)
			fail(line, "thread", errno);
		return;
	}
	child = strcmp(words[1], "vfork") == 0 ? vfork() : start(words[1]);
	if (child == -1)
		fail(line, "no process", errno);
	if (child == 0) {
		mark(words[2]);
		run(first);
		_exit(0);
	}
	reap(child);
}

static void exec_self(int line, const char *how)
{
	char number[16];
	snprintf(number, sizeof number, "%d", line + 1);
	char *argv[] = {"interpreter", (char *)script, number, NULL};
	char *environ_[] = {NULL};
	if (strcmp(how, "at") == 0) {
		int self = MUST(open("/proc/self/exe", O_PATH | O_CLOEXEC));
		syscall(SYS_execveat, self, "", argv, environ_, AT_EMPTY_PATH);
	} else
		execve("/proc/self/exe", argv, environ_);
	fail(line, "exec", errno);
}

static long openat2_(int at, const char *path, int flags)
{
	struct open_how how = {.flags = flags & ~O_LARGEFILE, .mode = flags & (O_CREAT | (__O_TMPFILE & ~O_DIRECTORY)) ? 0644 : 0};
	return syscall(SYS_openat2, at, path, &how, sizeof how);
}

/* how: at, plain, 2 (openat2), creat. */
static long opened(const char *how, int at, const char *path, int flags)
{
	if (strcmp(how, "plain") == 0)
		return syscall(SYS_open, path, flags, 0644);
	if (strcmp(how, "2") == 0)
		return openat2_(at, path, flags);
	if (strcmp(how, "creat") == 0)
		return syscall(SYS_creat, path, 0644);
	return openat(at, path, flags, 0644);
}

/* The result is moved to the number `to`. */
static long open_as(const char *how, int to, int at, const char *path, int flags)
{
	long fd = opened(how, at, path, flags);
	if (fd == -1)
		return -1;
	MUST(dup3(fd, to, flags & O_CLOEXEC));
	MUST(close(fd));
	return 0;
}

/* Opens and closes at once: nobody can ask the descriptor any more. */
static long glance(const char *how, int at, const char *path, int flags)
{
	long fd = opened(how, at, path, flags);
	if (fd != -1)
		MUST(close(fd));
	return fd == -1 ? -1 : 0;
}

/* The same from a directory, which is closed as well. */
static long peek(const char *how, const char *directory, int flags, const char *name, int more)
{
	long base = MUST(opened(how, AT_FDCWD, directory, flags)), result = glance("at", base, name, more);
	int problem = errno;
	MUST(close(base));
	errno = problem;
	return result;
}

static void read_all(int fd)
{
	char buffer[512];
	while (MUST(read(fd, buffer, sizeof buffer)) > 0)
		;
}

static void map_write(int fd, off_t at, const char *text)
{
	char *memory = mmap(NULL, at + strlen(text), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(memory == MAP_FAILED ? -1 : 0);
	memcpy(memory + at, text, strlen(text));
	MUST(munmap(memory, at + strlen(text)));
}

static void give(int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	MUST(sendmsg(GIVE, &message, 0));
}

static void take(int to)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int fd;
	MUST(recvmsg(TAKE, &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	MUST(dup2(fd, to));
	MUST(close(fd));
}

static void pair(void)
{
	int ends[2];
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	MUST(dup2(ends[0], GIVE));
	MUST(dup2(ends[1], TAKE));
	MUST(close(ends[0]));
	MUST(close(ends[1]));
}

static long link_descriptor(int fd, int at, const char *path)
{
	char name[32];
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, name, at, path, AT_SYMLINK_FOLLOW);
}

/* Calls with an expected errno as their last word. Returns -1 with errno, 0 or more, or -2 for a line that is none. */
static long named(char **w)
{
	const char *op = w[0];
	if (strcmp(op, "open") == 0)
		return open_as(w[1], atoi(w[2]), atoi(w[3]), w[4], atoi(w[5]));
	if (strcmp(op, "glance") == 0)
		return glance(w[1], atoi(w[2]), w[3], atoi(w[4]));
	if (strcmp(op, "peek") == 0)
		return peek(w[1], w[2], atoi(w[3]), w[4], atoi(w[5]));
	if (strcmp(op, "rename") == 0)
		return atoi(w[5]) ? syscall(SYS_renameat2, atoi(w[1]), w[2], atoi(w[3]), w[4], atoi(w[5]))
				  : renameat(atoi(w[1]), w[2], atoi(w[3]), w[4]);
	if (strcmp(op, "link") == 0)
		return linkat(atoi(w[1]), w[2], atoi(w[3]), w[4], 0);
	if (strcmp(op, "linkfd") == 0)
		return link_descriptor(atoi(w[1]), atoi(w[2]), w[3]);
	if (strcmp(op, "symlink") == 0)
		return symlinkat(w[1], atoi(w[2]), w[3]);
	if (strcmp(op, "unlink") == 0)
		return unlinkat(atoi(w[1]), w[2], 0);
	if (strcmp(op, "rmdir") == 0)
		return unlinkat(atoi(w[1]), w[2], AT_REMOVEDIR);
	if (strcmp(op, "mkdir") == 0)
		return mkdirat(atoi(w[1]), w[2], 0755);
	if (strcmp(op, "truncate") == 0)
		return truncate(w[1], atoi(w[2]));
	if (strcmp(op, "chdir") == 0)
		return chdir(w[1]);
	if (strcmp(op, "touch") == 0)
		return utimensat(atoi(w[1]), w[2], NULL, 0);
	if (strcmp(op, "chmod") == 0)
		return fchmodat(atoi(w[1]), w[2], 0600, 0);
	return -2;
}

/* Calls on descriptors: they must succeed. Returns 0 for a line that is none of them. */
static int numbered(char **w)
{
	const char *op = w[0];
	int fd = atoi(w[1]);
	if (strcmp(op, "close") == 0)
		MUST(close(fd));
	else if (strcmp(op, "dup") == 0)
		MUST(dup2(fd, atoi(w[2])));
	else if (strcmp(op, "read") == 0)
		read_all(fd);
	else if (strcmp(op, "write") == 0)
		MUST(write(fd, w[2], strlen(w[2])));
	else if (strcmp(op, "pwrite") == 0)
		MUST(pwrite(fd, w[3], strlen(w[3]), atoi(w[2])));
	else if (strcmp(op, "map") == 0)
		map_write(fd, atoi(w[2]), w[3]);
	else if (strcmp(op, "copy") == 0)
		while (MUST(sendfile(atoi(w[2]), fd, NULL, 4096)) > 0)
			;
	else if (strcmp(op, "ftruncate") == 0)
		MUST(ftruncate(fd, atoi(w[2])));
	else if (strcmp(op, "fchdir") == 0)
		MUST(fchdir(fd));
	else if (strcmp(op, "pair") == 0)
		pair();
	else if (strcmp(op, "give") == 0)
		give(fd);
	else if (strcmp(op, "take") == 0)
		take(fd);
	else
		return 0;
	return 1;
}

/* Runs up to the end of the block. */
static void run(int line)
{
	while (line < count && strcmp(lines[line], "end") != 0) {
		char room[4096], *words[WORDS];
		int n = split(lines[line], room, sizeof room, words);
		if (strcmp(words[0], "proc") == 0) {
			process(line, words);
			line = after(line);
			continue;
		}
		if (strcmp(words[0], "exec") == 0)
			exec_self(line, words[1]);
		if (!numbered(words)) {
			errno = 0;
			long result = named(words);
			int got = result == -1 ? errno : 0;
			if (result == -2 || got != atoi(words[n - 1]))
				fail(line, result == -2 ? "no such operation" : "ended otherwise", got);
		}
		line++;
	}
}

static void reap_any(int *running)
{
	int status;
	MUST(wait(&status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "a tree ended with status %#x\n", status);
		_exit(2);
	}
	--*running;
}

int main(int argc, char **argv)
{
	int running = 0, jobs = 1;
	load(argv[1]);
	if (argc > 2) {
		run(atoi(argv[2]));
		return 0;
	}
	for (int line = 0; line < count; line = after(line)) {
		char room[4096], *words[WORDS];
		split(lines[line], room, sizeof room, words);
		if (strcmp(words[0], "jobs") == 0) {
			jobs = atoi(words[1]);
			continue;
		}
		if (running == jobs)
			reap_any(&running);
		running++;
		if (MUST(fork()) == 0) {
			mark(words[2]);
			MUST(chdir(words[1]));
			run(line + 1);
			_exit(0);
		}
	}
	while (running)
		reap_any(&running);
	return 0;
}
