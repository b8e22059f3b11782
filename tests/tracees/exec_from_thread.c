/* A thread that is not the leader execs: it takes the leader's id, and the siblings vanish. */
#include "tracee.h"
#include <pthread.h>

static char **arguments;

static void *become(void *unused)
{
	char *argv[] = {arguments[0], "second", NULL};
	MUST(execv("/proc/self/exe", argv));
	return unused;
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	if (argc > 1) {
		copy("in", "out");
		return 0;
	}
	arguments = argv;
	slurp("before");
	if (pthread_create(&thread, NULL, idle, NULL) || pthread_create(&thread, NULL, become, NULL))
		die("pthread_create");
	for (;;)
		pause();
}
