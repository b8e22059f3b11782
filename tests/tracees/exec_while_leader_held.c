/* A thread executes another program while the leader is held, for the hashing of the file that it is about to change. */
#include <pthread.h>
#include "tracee.h"

static void *program(void *unused)
{
	(void)unused;
	usleep(100000); /* so that the leader is held by then; without, the test holds all the same */
	execl("/bin/sh", "sh", "-c", "cat in > out", (char *)0);
	_exit(2);
}

int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, program, NULL))
		return 2;
	MUST(open("big", O_RDWR));
	pause();
	return 2;
}
