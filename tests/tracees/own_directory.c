/* A thread with a working directory of its own (CLONE_FS unshared) renames by a relative path, as its sibling does. */
#include "tracee.h"
#include <pthread.h>

static pthread_barrier_t turn;

static void *elsewhere(void *unused)
{
	(void)unused;
	MUST(unshare(CLONE_FS));
	MUST(chdir("sub"));
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	copy("../in", "tmp");
	MUST(rename("tmp", "out"));
	return NULL;
}

int main(void)
{
	pthread_t thread;
	MUST(mkdir("sub", 0755));
	pthread_barrier_init(&turn, NULL, 2);
	if (pthread_create(&thread, NULL, elsewhere, NULL))
		return 2;
	pthread_barrier_wait(&turn);
	copy("in", "tmp");
	MUST(rename("tmp", "out"));
	pthread_barrier_wait(&turn);
	pthread_join(thread, NULL);
	return 0;
}
