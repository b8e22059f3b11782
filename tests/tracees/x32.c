/* An x32 number (bit 30 set). Most kernels refuse it; where one does not, the open must be seen. */
#include "tracee.h"

int main(void)
{
	long in = syscall(0x40000000 | SYS_open, "in", O_RDONLY);
	if (in >= 0)
		put("x32-works", "yes");
	put("out", "done");
	return 0;
}
