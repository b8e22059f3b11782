/* CLONE_FS: the child's chdir is the parent's too, so that a relative path means another file afterwards. */
#include "tracee.h"

int main(void)
{
	long child = MUST(syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		MUST(chdir("sub"));
		_exit(0);
	}
	reap(child);
	copy("in", "out");
	return 0;
}
