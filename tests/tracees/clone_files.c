/* CLONE_FILES without CLONE_THREAD: the child opens, the parent reads and writes through the descriptors of the child. */
#include "tracee.h"

int main(void)
{
	long child = MUST(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		MUST(dup2(MUST(open("in", O_RDONLY)), 100));
		MUST(dup2(MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644)), 101));
		_exit(0);
	}
	reap(child);
	copy_fd(100, 101);
	return 0;
}
