/* A child that opens for ever is killed with SIGKILL in the midst, and so is a thread group in its exec. */
#include "tracee.h"
#include <pthread.h>

static void *open_for_ever(void *unused)
{
	for (;;) {
		int fd = open("in", O_RDONLY);
		close(fd);
	}
	return unused;
}

int main(void)
{
	int ready[2], status;
	MUST(pipe(ready));
	for (int round = 0; round < 10; round++) {
		pid_t child = MUST(fork());
		if (child == 0) {
			pthread_t thread;
			if (round % 2 && pthread_create(&thread, NULL, open_for_ever, NULL))
				die("pthread_create");
			slurp("in");
			tell(ready[1]);
			open_for_ever(NULL);
		}
		hear(ready[0]);
		MUST(kill(child, SIGKILL));
		MUST(waitpid(child, &status, 0));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return 3;
	}
	copy("in", "out");
	return 0;
}
