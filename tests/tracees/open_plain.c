/* The plain case, by the oldest call there is: open(2) itself, not libc's openat. */
#include "tracee.h"

int main(void)
{
#ifdef SYS_open
	int in = MUST(syscall(SYS_open, "in", O_RDONLY));
	int out = MUST(syscall(SYS_open, "out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
#else
	int in = MUST(open("in", O_RDONLY));
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
#endif
	copy_fd(in, out);
	return 0;
}
