/* Opens that fail: not there (three times the same), a directory that is none, no right, a loop of links. */
#include "tracee.h"

int main(void)
{
	for (int i = 0; i < 3; i++)
		if (open("nowhere", O_RDONLY) != -1)
			return 3;
	if (open("sub/nowhere", O_RDONLY) != -1 || open("in/below", O_RDONLY) != -1 || open("loop", O_RDONLY) != -1)
		return 3;
	if (open("in", O_WRONLY | O_CREAT | O_EXCL, 0644) != -1 || open("sub", O_WRONLY) != -1)
		return 3;
	copy("in", "out");
	return 0;
}
