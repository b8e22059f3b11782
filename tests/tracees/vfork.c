/* A vfork child opens a file in its parent's memory, then execs. */
#include "tracee.h"

int main(int argc, char **argv)
{
	pid_t child;
	if (argc > 1) {
		copy("in", "out");
		return 0;
	}
	child = vfork();
	if (child == 0) {
		char *args[] = {argv[0], "second", NULL};
		int fd = open("early", O_RDONLY);
		if (fd < 0)
			_exit(3);
		close(fd);
		execv("/proc/self/exe", args);
		_exit(4);
	}
	MUST(child);
	reap(child);
	return 0;
}
