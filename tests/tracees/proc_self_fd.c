/* Opens by /proc/self/fd/N, /proc/thread-self/fd/N and /dev/fd/N: the process's own, not the tracer's. */
#include "tracee.h"

int main(void)
{
	int in = MUST(dup2(MUST(open("in", O_RDONLY)), 60));
	int out = MUST(dup2(MUST(open("out", O_WRONLY | O_CREAT, 0644)), 61));
	int again = MUST(open("/proc/self/fd/60", O_RDONLY));
	int third = MUST(open("/proc/thread-self/fd/60", O_RDONLY));
	int over = MUST(open("/dev/fd/61", O_WRONLY | O_TRUNC));
	MUST(close(in));
	MUST(close(out));
	MUST(close(third));
	copy_fd(again, over);
	return 0;
}
