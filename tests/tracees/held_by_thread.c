/* A process opens `in`, and its main thread ends; then another one, which has read `source`, writes into `in`, and what
   comes of that the first one's thread reads into `out`. They wait for each other without a channel. */
#include "tracee.h"
#include <pthread.h>

static int in;

static void *work(void *unused)
{
	while (access("written", F_OK))
		usleep(1000);
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666));
	copy_fd(in, out);
	_exit(0);
}

int main(void)
{
	in = MUST(open("in", O_RDONLY));
	char link[64], text[4096];
	snprintf(link, sizeof link, "/proc/%d/cwd", getpid());
	if (MUST(fork()) == 0) {
		MUST(close(in));
		while (readlink(link, text, sizeof text) > 0)
			usleep(1000);
		copy("source", "in");
		MUST(mkdir("written", 0777));
		_exit(0);
	}
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, NULL))
		die("pthread_create");
	pthread_exit(NULL);
}
