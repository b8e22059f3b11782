/* Many threads end at the same moment as the whole process: some are killed in the middle of their own end. */
#include "tracee.h"
#include <pthread.h>
#define THREADS 8
static pthread_barrier_t together;

static void *ending(void *unused)
{
	pthread_barrier_wait(&together);
	syscall(SYS_exit, 0);
	return unused;
}

int main(void)
{
	pthread_t id;
	pthread_barrier_init(&together, NULL, THREADS + 1);
	for (int n = 0; n < THREADS; n++)
		if (pthread_create(&id, NULL, ending, NULL) != 0)
			return 1;
	pthread_barrier_wait(&together);
	syscall(SYS_exit_group, 7);
}
