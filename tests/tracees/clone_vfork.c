/* CLONE_VFORK without CLONE_VM: the kernel reports a vfork event, and yet no memory is shared. */
#include "tracee.h"

int main(void)
{
	long child = MUST(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		copy("in", "out");
		_exit(0);
	}
	reap(child);
	return 0;
}
