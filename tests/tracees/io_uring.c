/* A ring is set up: with it, files can be opened and written with no further call to see. */
#include "tracee.h"

int main(void)
{
	char parameters[120] = {0};
	long ring = syscall(425 /* io_uring_setup */, 4, parameters);
	printf("%s\n", ring >= 0 ? "ring" : strerror(errno));
	fflush(stdout);
	copy("in", "out");
	return 0;
}
