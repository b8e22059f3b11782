/* The leader thread ends with pthread_exit (a bare exit(2)); another thread opens afterwards, with its own exit status. */
#include "tracee.h"
#include <pthread.h>

static pthread_t leader;

static void *work(void *unused)
{
	pthread_join(leader, NULL);
	copy("in", "out");
	exit(5);
	return unused;
}

int main(void)
{
	pthread_t thread;
	leader = pthread_self();
	if (pthread_create(&thread, NULL, work, NULL))
		die("pthread_create");
	pthread_exit(NULL);
}
