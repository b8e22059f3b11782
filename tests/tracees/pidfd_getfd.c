/* A child takes its parent's descriptor with pidfd_getfd. */
#include "tracee.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

int main(void)
{
	int ready[2];
	MUST(pipe(ready));
	pid_t child = MUST(fork());
	if (child == 0) {
		hear(ready[0]);
		int parent = MUST(syscall(SYS_pidfd_open, getppid(), 0));
		long in = syscall(SYS_pidfd_getfd, parent, 50, 0);
		if (in == -1)
			unsupported("pidfd_getfd");
		copy_fd(in, MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
		_exit(0);
	}
	MUST(dup2(MUST(open("in", O_RDONLY)), 50));
	tell(ready[1]);
	reap(child);
	return 0;
}
