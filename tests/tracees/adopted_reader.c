/* Processes that have opened files and fork without end are killed, or replaced by an exec of another thread; their last
   children, whose forks nobody could tell of any more, open "in" many times each. Each has the writing end of a pipe, whose end of file says that all have ended. */
#include <pthread.h>
#include "tracee.h"

static void *fork_on(void *unused)
{
	(void)unused;
	for (;;)
		if (fork() == 0) {
			for (int n = 0; n < 20; n++)
				slurp("in");
			_exit(0);
		}
}

int main(int argc, char **argv)
{
	int by_exec = argc > 1 && strcmp(argv[1], "exec") == 0;
	int ends[2];
	char byte;
	MUST(pipe(ends));
	slurp("first");
	for (int i = 0; i < 60; i++) {
		pid_t child = MUST(fork());
		if (child == 0) {
			MUST(close(ends[0]));
			signal(SIGCHLD, SIG_IGN);
			if (!by_exec)
				fork_on(NULL);
			pthread_t thread;
			pthread_create(&thread, NULL, fork_on, NULL);
			usleep(2000 + 131 * i);
			execl("/bin/true", "true", (char *)0);
			_exit(2);
		}
		if (!by_exec) {
			usleep(2000 + 131 * i);
			MUST(kill(child, SIGKILL));
		}
		MUST(waitpid(child, NULL, 0));
	}
	MUST(close(ends[1]));
	alarm(20);
	return read(ends[0], &byte, 1) == 0 ? 0 : 2;
}
