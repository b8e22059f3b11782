/* creat(2): writes only, and discards what was there. */
#include "tracee.h"

int main(void)
{
	int in = MUST(open("in", O_RDONLY));
	int out = MUST(syscall(SYS_creat, "out", 0644));
	copy_fd(in, out);
	return 0;
}
