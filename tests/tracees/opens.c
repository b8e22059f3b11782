/* Opens "in", "in2" and "in3" many times, in the ways that C programs do; also where a thread is cancelled in an open. */
#include <pthread.h>
#include "tracee.h"

static void *waits(void *path)
{
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return NULL;
}

int main(void)
{
	for (int i = 0; i < 60; i++) {
		slurp(i % 2 ? "in" : "in2");
		FILE *file = fopen("in3", "r");
		if (!file)
			return 3;
		fclose(file);
	}
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		void *result;
		if (pthread_create(&thread, NULL, waits, "fifo"))
			return 4;
		usleep(1000);
		pthread_cancel(thread);
		if (pthread_join(thread, &result) || result != PTHREAD_CANCELED)
			return 5;
	}
	puts("fine");
	return 0;
}
