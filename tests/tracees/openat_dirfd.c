/* openat relative to a directory's descriptor, which is then closed. */
#include "tracee.h"

int main(void)
{
	int directory = MUST(open("sub", O_RDONLY | O_DIRECTORY));
	int in = MUST(openat(directory, "in", O_RDONLY));
	int out = MUST(openat(directory, "../out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	MUST(close(directory));
	copy_fd(in, out);
	return 0;
}
