/* Starts threads or processes (the argument) from several threads at once, without a pause, until standard input ends.
   Each of them reads `in`. Then one more of them copies `in` to `out`. */
#include "tracee.h"
#include <pthread.h>
#include <stdatomic.h>

#define STARTERS 3

static atomic_int over;
static int processes;

static void *one(void *last)
{
	if (last)
		copy("in", "out");
	else
		slurp("in");
	return NULL;
}

static void grow(void *last)
{
	if (processes) {
		pid_t child = MUST(fork());
		if (child == 0) {
			one(last);
			_exit(0);
		}
		reap(child);
	} else {
		pthread_t thread;
		if (pthread_create(&thread, NULL, one, last))
			die("pthread_create");
		pthread_join(thread, NULL);
	}
}

static void *starter(void *unused)
{
	(void)unused;
	while (!over)
		grow(NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t starters[STARTERS];
	char byte;
	int i;

	processes = argc > 1 && !strcmp(argv[1], "processes");
	for (i = 0; i < STARTERS; i++)
		if (pthread_create(&starters[i], NULL, starter, NULL))
			die("pthread_create");
	MUST(write(1, "ready\n", 6));
	while (MUST(read(0, &byte, 1)) > 0)
		;
	over = 1;
	for (i = 0; i < STARTERS; i++)
		pthread_join(starters[i], NULL);
	grow(&over);
	return 0;
}
