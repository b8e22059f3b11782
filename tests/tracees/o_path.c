/* O_PATH gives no access to the content: neither a read nor a write. */
#include "tracee.h"

int main(void)
{
	MUST(open("seen", O_PATH));
	MUST(open("sub", O_PATH | O_DIRECTORY));
	copy("in", "out");
	return 0;
}
