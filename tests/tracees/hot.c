/* What a process that has opened files before (so that it may be hot) does next, and what must go on as it did:
   hot WHAT. "in" is opened before, and again afterwards. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <stddef.h>
#include <spawn.h>
#include "tracee.h"

extern char **environ;

enum { CODE = 0x70000000, TIMES = 50 };

static void often(const char *path)
{
	for (int i = 0; i < TIMES; i++)
		slurp(path);
}

/* Maps the place that shark would take for its code, before any process of the run is hot: then it is left alone. */
static void takes_the_place(void)
{
	char *at = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at == MAP_FAILED)
		unsupported("the place is taken");
	memset(at, 0x5a, 4096);
	often("in");
	for (int i = 0; i < 4096; i++)
		if (at[i] != 0x5a)
			_exit(3);
	MUST(munmap(at, 4096));
	often("in2");
}

/* Opens "in2" from a page that shark's filter lets through, if the page is shark's. */
static void calls_from_the_place(void)
{
	static const unsigned char code[] = {0xb8, 0x01, 0x01, 0x00, 0x00, 0x0f, 0x05, 0xc3}; /* openat; ret */
	char *at = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at == MAP_FAILED)
		unsupported("the place is taken");
	memcpy(at + 64, code, sizeof code);
	often("in");
	MUST(close(MUST(((long (*)(long, const char *, long, long))(at + 64))(AT_FDCWD, "in2", O_RDONLY, 0))));
}

static void closes_all(void)
{
	often("in");
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	int fd = MUST(open("in2", O_RDONLY));
	if (fd != 3)
		_exit(3);
	often("in2");
}

static void install(struct sock_filter *filter, unsigned short length)
{
	struct sock_fprog program = {length, filter};
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void kills_on_statx(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_statx, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	often("in");
	install(filter, 4);
	often("in2");
	pid_t child = MUST(fork());
	if (child == 0) {
		often("in3");
		_exit(0);
	}
	reap(child);
}

static void *waits_and_reads(void *end)
{
	hear(*(int *)end);
	often("in2");
	return NULL;
}

/* The filter is put on all threads at once. */
static void kills_on_statx_in_threads(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_statx, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};
	pthread_t thread;
	int ends[2];
	MUST(pipe(ends));
	often("in");
	pthread_create(&thread, NULL, waits_and_reads, &ends[0]);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
	tell(ends[1]);
	pthread_join(thread, NULL);
	often("in3");
}

static char small[4096 * 4] __attribute__((aligned(4096)));

static void *reads(void *path)
{
	for (int i = 0; i < TIMES; i++)
		MUST(close(MUST(open(path, O_RDONLY))));
	return NULL;
}

/* Opens from a stack that has no more than a page. */
static void small_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	often("in");
	MUST(mprotect(small, 4096, PROT_NONE));
	pthread_attr_init(&attributes);
	if (pthread_attr_setstack(&attributes, small, sizeof small))
		_exit(3);
	if (pthread_create(&thread, &attributes, reads, "in2"))
		_exit(4);
	pthread_join(thread, NULL);
}

static void *reads_many(void *path)
{
	often(path);
	return NULL;
}

static void many_threads(void)
{
	pthread_t threads[100];
	often("in");
	for (int i = 0; i < 100; i++)
		if (pthread_create(&threads[i], NULL, reads_many, i % 2 ? "in2" : "in3"))
			_exit(3);
	for (int i = 0; i < 100; i++)
		pthread_join(threads[i], NULL);
}

/* The same without an open before the threads are there. */
static void many_threads_at_once(void)
{
	pthread_t threads[100];
	for (int i = 0; i < 100; i++)
		if (pthread_create(&threads[i], NULL, reads_many, i % 3 ? i % 3 == 1 ? "in" : "in2" : "in3"))
			_exit(3);
	for (int i = 0; i < 100; i++)
		pthread_join(threads[i], NULL);
}

static volatile int stop;

static void *reads_on(void *path)
{
	while (!stop)
		slurp(path);
	return NULL;
}

/* One thread forks while another is in the middle of an open; each child opens a file of its own. */
static void forks_beside_opens(void)
{
	pthread_t thread;
	often("in");
	pthread_create(&thread, NULL, reads_on, "in2");
	for (int i = 0; i < 100; i++) {
		pid_t child = MUST(fork());
		if (child == 0) {
			often("in3");
			_exit(0);
		}
		reap(child);
	}
	stop = 1;
	pthread_join(thread, NULL);
}

static void spawns(void)
{
	char *argv[] = {"cat", "in2", NULL};
	pid_t child;
	posix_spawn_file_actions_t actions;
	often("in");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "in3", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < 10; i++) {
		if (posix_spawnp(&child, "cat", &actions, NULL, argv, environ))
			_exit(3);
		reap(child);
	}
	often("in");
}

static void vforks(void)
{
	often("in");
	for (int i = 0; i < 10; i++) {
		pid_t child = vfork();
		if (child == 0) {
			for (int n = 0; n < 20; n++) {
				int fd = open("in2", O_RDONLY);
				if (fd < 0)
					_exit(3);
				close(fd);
			}
			execlp("cat", "cat", "in3", (char *)NULL);
			_exit(2);
		}
		reap(child);
		slurp("in");
	}
}

static char stack[65536] __attribute__((aligned(16)));

static int clone_main(void *path)
{
	for (int i = 0; i < TIMES; i++)
		syscall(__NR_close, syscall(__NR_openat, AT_FDCWD, path, O_RDONLY, 0));
	return 0;
}

/* A process that shares memory but nothing else, and runs at the same time. */
static void shares_memory(void)
{
	often("in");
	pid_t child = MUST(clone(clone_main, stack + sizeof stack, CLONE_VM | SIGCHLD, "in2"));
	often("in3");
	reap(child);
	often("in3");
}

static void *execs(void *unused)
{
	(void)unused;
	often("in2");
	execlp("cat", "cat", "in3", (char *)NULL);
	_exit(2);
}

static void exec_from_thread(void)
{
	pthread_t thread;
	often("in");
	pthread_create(&thread, NULL, execs, NULL);
	for (;;)
		slurp("in");
}

static void limited_memory(void)
{
	struct rlimit limit = {256 << 20, 256 << 20};
	MUST(setrlimit(RLIMIT_AS, &limit));
	often("in");
	pid_t child = MUST(fork());
	if (child == 0) {
		often("in2");
		_exit(0);
	}
	reap(child);
	often("in3");
}

static void locked_memory(void)
{
	struct rlimit limit;
	MUST(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (limit.rlim_max < 8 << 20)
		unsupported("so little memory may be locked");
	limit.rlim_cur = 7 << 20;
	MUST(setrlimit(RLIMIT_MEMLOCK, &limit));
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		unsupported("mlockall");
	often("in");
	char *more = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (more == MAP_FAILED)
		_exit(3);
	often("in2");
	often("in3");
}

/* Sets its user and group to nobody, as a server does, and goes on. */
static void becomes_nobody(void)
{
	often("in");
	MUST(setgid(65534));
	MUST(setuid(65534));
	often("in2");
	pid_t child = MUST(fork());
	if (child == 0) {
		often("in3");
		_exit(0);
	}
	reap(child);
}

static void hides(void)
{
	often("in");
	MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	often("in2");
	pid_t child = MUST(fork());
	if (child == 0) {
		often("in3");
		_exit(0);
	}
	reap(child);
}

/* Its own calls are to come from its own code (Syscall User Dispatch): others are answered by a signal. */
static void dispatches(void)
{
	static char selector = 1; /* SYSCALL_DISPATCH_FILTER_BLOCK */
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned long start = 0, end = 0, low = ~0ul, high = 0;
	while (fgets(line, sizeof line, maps))
		if (strstr(line, "libc.so") && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			low = start < low ? start : low;
			high = end > high ? end : high;
		}
	fclose(maps);
	if (!high)
		unsupported("libc is not mapped");
	often("in");
	if (prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, low, high - low, &selector))
		unsupported("syscall user dispatch");
	often("in2");
	often("in3");
	_exit(0);
}

/* A child of a vfork child has a copy of the memory. */
static void forks_in_vfork(void)
{
	often("in");
	pid_t child = vfork();
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0) {
			often("in2");
			_exit(0);
		}
		int status;
		_exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 3);
	}
	reap(child);
	often("in3");
}

static void bomb(void)
{
	often("in");
	for (int i = 0; i < 6; i++)
		fork();
	slurp("in2");
	while (waitpid(-1, NULL, 0) > 0)
		;
	slurp("in3");
}

static void crash(void)
{
	often("in");
	abort();
}

static const struct {
	const char *name;
	void (*does)(void);
} ALL[] = {
	{"takes_the_place", takes_the_place},
	{"calls_from_the_place", calls_from_the_place},
	{"closes_all", closes_all},
	{"kills_on_statx", kills_on_statx},
	{"kills_on_statx_in_threads", kills_on_statx_in_threads},
	{"small_stack", small_stack},
	{"many_threads", many_threads},
	{"many_threads_at_once", many_threads_at_once},
	{"forks_beside_opens", forks_beside_opens},
	{"spawns", spawns},
	{"vforks", vforks},
	{"shares_memory", shares_memory},
	{"exec_from_thread", exec_from_thread},
	{"limited_memory", limited_memory},
	{"locked_memory", locked_memory},
	{"becomes_nobody", becomes_nobody},
	{"hides", hides},
	{"dispatches", dispatches},
	{"forks_in_vfork", forks_in_vfork},
	{"bomb", bomb},
	{"crash", crash},
};

int main(int argc, char **argv)
{
	(void)argc;
	for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++)
		if (strcmp(ALL[i].name, argv[1]) == 0) {
			ALL[i].does();
			return 0;
		}
	return 4;
}
