/* A child is forked, then a later thread executes another program; the child goes on after that program's end. */
#include <pthread.h>
#include <poll.h>
#include "tracee.h"

static void *program(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", (char *)0);
	_exit(2);
}

int main(void)
{
	pid_t command = getpid();
	if (MUST(fork()) == 0) {
		int pidfd = MUST(syscall(SYS_pidfd_open, command, 0));
		struct pollfd end = {.fd = pidfd, .events = POLLIN};
		MUST(poll(&end, 1, -1)); /* readable when the command is a zombie */
		copy("in", "out");
		_exit(0);
	}
	pthread_t thread;
	if (pthread_create(&thread, NULL, program, NULL))
		return 2;
	pause();
	return 2;
}
