/* A process reads a file many times, becomes another program (the same one, with an argument), and that reads it, too. */
#include "tracee.h"

int main(int argc, char **argv)
{
	for (int n = 0; n < 40; n++) {
		char buffer[100];
		int in = MUST(open("in", O_RDONLY | O_CLOEXEC));
		MUST(read(in, buffer, sizeof buffer));
		MUST(close(in));
		(void)!open("none", O_RDONLY);
	}
	if (argc < 2)
		MUST(execl("/proc/self/exe", argv[0], "again", NULL));
	put("out", "done");
	return 0;
}
