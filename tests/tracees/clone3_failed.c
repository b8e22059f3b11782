/* A clone3 that would have made a thread fails; the fork after it makes a process all the same. */
#include <linux/sched.h>
#include "tracee.h"

int main(void)
{
	struct clone_args args = {.flags = CLONE_THREAD | CLONE_VM}; /* without CLONE_SIGHAND: EINVAL (clone(2)) */
	if (syscall(SYS_clone3, &args, sizeof args) != -1)
		return 2;
	pid_t child = MUST(fork());
	if (child == 0) {
		execl("/bin/true", "true", (char *)0);
		_exit(2);
	}
	reap(child);
	copy("in", "out");
	return 0;
}
