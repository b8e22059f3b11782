/* CLONE_PARENT: the new process is a sibling of the one that made it. */
#include "tracee.h"

int main(void)
{
	int ready[2];
	pid_t maker, made;
	MUST(pipe(ready));
	maker = MUST(fork());
	if (maker == 0) {
		long child = MUST(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
		if (child == 0) {
			copy("in", "out");
			_exit(0);
		}
		made = child;
		MUST(write(ready[1], &made, sizeof made));
		_exit(0);
	}
	MUST(read(ready[0], &made, sizeof made));
	reap(maker);
	reap(made);
	return 0;
}
