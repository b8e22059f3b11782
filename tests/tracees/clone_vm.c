/* CLONE_VM without CLONE_THREAD: another process in the same memory, with descriptors of its own. */
#include "tracee.h"

static int work(void *unused)
{
	(void)unused;
	copy("in", "out");
	return 0;
}

int main(void)
{
	static char stack[1 << 18] __attribute__((aligned(16)));
	reap(MUST(clone(work, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL)));
	return 0;
}
