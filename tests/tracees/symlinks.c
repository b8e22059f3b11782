/* The input is opened through a link, the output through another; a third link is made. */
#include "tracee.h"

int main(void)
{
	copy("link-in", "link-out");
	MUST(symlink("real-in", "made-link"));
	return 0;
}
