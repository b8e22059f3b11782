/* A tracee that wants to trace: it must fail as under strace, and go on. */
#include "tracee.h"
#include <sys/ptrace.h>

int main(void)
{
	pid_t child = MUST(fork());
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 || errno != EPERM)
			_exit(3);
		copy("in", "out");
		_exit(0);
	}
	reap(child);
	return 0;
}
