/* O_PATH gives no access to the content, neither a read nor a write; what is opened again afterwards, with access, is read. */
#include "tracee.h"

int main(void)
{
	MUST(open("seen", O_PATH));
	MUST(open("sub", O_PATH | O_DIRECTORY));
	MUST(open("in", O_PATH));
	copy("in", "out");
	return 0;
}
