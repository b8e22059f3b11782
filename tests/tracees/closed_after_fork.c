/* A thread forks while another one waits for that to close the writing end of a pipe, which the child has got, and writes
   `in` into. What comes of it the parent writes to `out`. */
#include "tracee.h"
#include <pthread.h>

static int ends[2];
static volatile int waiting, child;

static void *work(void *unused)
{
	waiting = 1;
	while (!child) /* the kernel writes it, before any tracer is told */
		;
	MUST(close(ends[1]));
	return NULL;
}

int main(void)
{
	pthread_t thread;
	MUST(pipe(ends));
	if (pthread_create(&thread, NULL, work, NULL))
		die("pthread_create");
	while (!waiting)
		;
	if (MUST(syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, &child, 0, 0)) == 0) {
		copy_fd(MUST(open("in", O_RDONLY)), ends[1]);
		_exit(0);
	}
	copy_fd(ends[0], MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666)));
	return 0;
}
