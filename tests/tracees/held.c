/* What a process still holds, and what it has closed, when it goes on to something else. */
#include "tracee.h"

static int create(const char *path, int flags)
{
	int out = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | flags, 0644));
	MUST(write(out, "x", 1));
	return out;
}

/* Two outputs one after the other, each with its input. */
static void closed_between(void)
{
	int out = create("one", 0);
	copy_fd(MUST(open("in", O_RDONLY)), out);
	MUST(close(out));
	int in = MUST(open("later", O_RDONLY));
	out = create("two", 0);
	copy_fd(in, out);
}

/* The output's first descriptor is closed, another one writes on. */
static void duplicated(void)
{
	int out = create("one", 0), second = MUST(dup2(out, 20));
	MUST(close(out));
	copy_fd(MUST(open("in", O_RDONLY)), second);
}

/* The output's number is taken by the input at once. */
static void replaced(void)
{
	int out = create("one", 0);
	MUST(close(out));
	int in = MUST(open("in", O_RDONLY));
	if (in != out)
		die("not the lowest number");
	slurp("later");
}

/* One of two outputs is open after the exec, `cat in`. */
static void close_on_exec(void)
{
	create("one", O_CLOEXEC);
	MUST(dup2(create("two", 0), 1));
	MUST(execlp("cat", "cat", "in", NULL));
}

/* The ends of a pipe are closed before the wait; nothing was read from it. */
static void waits(void)
{
	int ends[2];
	MUST(pipe(ends));
	pid_t child = MUST(fork());
	if (child == 0)
		_exit(0);
	MUST(close(ends[0]));
	MUST(close(ends[1]));
	siginfo_t info;
	MUST(waitid(P_PID, child, &info, WEXITED));
}

/* The parent reads in between, and so does its child, which is none of the parent's reading. */
static void counted(void)
{
	char buffer[3];
	create("one", 0);
	pid_t child = MUST(fork());
	if (child == 0) {
		slurp("in");
		_exit(0);
	}
	reap(child);
	int in = MUST(open("in", O_RDONLY));
	child = MUST(fork());
	if (child == 0)
		_exit(0);
	reap(child);
	MUST(read(in, buffer, sizeof buffer));
	child = MUST(fork());
	if (child == 0)
		_exit(0);
	reap(child);
}

/* The kernel's counters do not tell what is spliced. */
static void spliced(void)
{
	int ends[2];
	MUST(pipe(ends));
	MUST(splice(MUST(open("in", O_RDONLY)), NULL, ends[1], NULL, 100, 0));
	pid_t child = MUST(fork());
	if (child == 0)
		_exit(0);
	reap(child);
}

static int with_shared_table(void *nothing)
{
	create("one", 0);
	_exit(0);
}

/* A child that shares the table opens a file; its parent has it open afterwards. */
static void shared_table(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	reap(MUST(clone(with_shared_table, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL)));
	pid_t child = MUST(fork());
	if (child == 0)
		_exit(0);
	reap(child);
}

/* Killed while it holds an output: as a child, since the one who started us wants to see an end. */
static void killed(void)
{
	pid_t child = MUST(fork());
	int status;
	if (child == 0) {
		create("one", 0);
		raise(SIGKILL);
	}
	MUST(waitpid(child, &status, 0));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "closed-between") == 0)
		closed_between();
	else if (strcmp(how, "duplicated") == 0)
		duplicated();
	else if (strcmp(how, "replaced") == 0)
		replaced();
	else if (strcmp(how, "close-on-exec") == 0)
		close_on_exec();
	else if (strcmp(how, "waits") == 0)
		waits();
	else if (strcmp(how, "counted") == 0)
		counted();
	else if (strcmp(how, "spliced") == 0)
		spliced();
	else if (strcmp(how, "shared-table") == 0)
		shared_table();
	else if (strcmp(how, "killed") == 0)
		killed();
	else
		return 2;
	return 0;
}
