/* What shark remembers of an earlier call must not hide a later one, nor tell it as another: remembered WHAT. All files
   are opened so often that their process is hot. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/socket.h>
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

/* A name that is none is no name of the directory in which it is looked for. */
static void names_nothing(void)
{
	often("in", 0);
	int one = MUST(open("one", O_RDONLY));
	absent("");
	if (openat(one, "", O_RDONLY) >= 0)
		_exit(3);
	slurp("one/in");
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

/* What `..` leads to is where the symbolic link's target lies, not the link. */
static void goes_up(void)
{
	often("in", 0);
	slurp("link/../in");
	slurp("link/../only");
}

/* Opens from a directory, and closes all at once: nobody can ask the descriptors any more. */
static void uses(int directory)
{
	MUST(close(MUST(openat(directory, "in", O_RDONLY))));
	if (openat(directory, "none", O_RDONLY) >= 0)
		_exit(3);
	MUST(close(directory));
}

static void uses_inherited(void)
{
	often("in", 0);
	uses(10);
}

/* The program before has opened the directory. */
static void inherits(void)
{
	MUST(dup2(MUST(open("one", O_RDONLY)), 10));
	becomes("uses_inherited");
}

/* The directory, that above it, and others get new names while it is open. */
static void moves(void)
{
	often("in", 0);
	int one = MUST(open("two/one", O_RDONLY)), other = MUST(open("other", O_RDONLY));
	MUST(rename("two/one", "two/1"));
	MUST(rename("two", "tmp"));
	MUST(syscall(SYS_renameat2, AT_FDCWD, "tmp", AT_FDCWD, "other", RENAME_EXCHANGE));
	uses(one);
	uses(other);
}

/* The directory is opened without access to it, by a call that always stops. */
static void refers(void)
{
	struct open_how how = {.flags = O_PATH};
	often("in", 0);
	uses(MUST(syscall(SYS_openat2, AT_FDCWD, "one", &how, sizeof how)));
}

static void gives(int to, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec one = {&byte, 1};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	MUST(sendmsg(to, &message, 0));
}

/* The directory comes from another process, which has opened it before anybody was hot. */
static void receives(void)
{
	int ends[2], fd;
	char byte, control[CMSG_SPACE(sizeof fd)];
	struct iovec one = {&byte, 1};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid_t child = MUST(fork());
	if (child == 0) {
		gives(ends[0], MUST(open("one", O_PATH)));
		_exit(0);
	}
	reap(child);
	often("in", 0);
	MUST(recvmsg(ends[1], &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	uses(fd);
}

static const struct {
	const char *name;
	void (*does)(void);
} ALL[] = {
	{"changes_directory", changes_directory},
	{"copies_input", copies_input},
	{"duplicates", duplicates},
	{"goes_up", goes_up},
	{"inherits", inherits},
	{"is_elsewhere", is_elsewhere},
	{"moves", moves},
	{"names_nothing", names_nothing},
	{"receives", receives},
	{"refers", refers},
	{"stays_open", stays_open},
	{"uses_inherited", uses_inherited},
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
