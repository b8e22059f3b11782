/* A thread that is not the leader opens; the leader sits in pthread_join. */
#include "tracee.h"
#include <pthread.h>

static void *work(void *unused)
{
	copy("in", "out");
	return unused;
}

int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, NULL))
		die("pthread_create");
	pthread_join(thread, NULL);
	return 0;
}
