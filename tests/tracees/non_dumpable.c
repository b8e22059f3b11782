/* A process that lets nobody look at it, as ssh-agent does. */
#include "tracee.h"
#include <sys/prctl.h>

int main(void)
{
	MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	copy("in", "out");
	return 0;
}
