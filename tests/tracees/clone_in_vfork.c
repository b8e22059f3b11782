/* A vfork child makes a child in the same memory (CLONE_VM) and ends. The two that are left read files at the same places:
   the first process `in`, the other one `in3`. */
#include "tracee.h"

enum { TIMES = 20 };

static char stack[1 << 16] __attribute__((aligned(16)));
static int go[2], done[2];

static void reads(const char *name)
{
	for (int n = 0; n < TIMES; n++)
		MUST(close(MUST(open(name, O_RDONLY))));
}

static int guest(void *unused)
{
	(void)unused;
	hear(go[0]);
	reads("in3");
	tell(done[1]);
	syscall(SYS_exit, 0);
	return 0;
}

int main(void)
{
	MUST(pipe(go));
	MUST(pipe(done));
	reads("in");
	pid_t child = MUST(vfork());
	if (child == 0) {
		clone(guest, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
		_exit(0);
	}
	reap(child);
	reads("in");
	tell(go[1]);
	hear(done[0]);
	return 0;
}
