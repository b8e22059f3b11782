/* The command ends; a daemon of its own session lives on until "go" (a FIFO) is opened, then reads "in" and writes "late".
   With "soon" it does not wait, but still ends after the command: it holds the command's end through a pipe. */
#include "tracee.h"

int main(int argc, char **argv)
{
	int soon = argc > 1 && strcmp(argv[1], "soon") == 0;
	int alive[2];
	MUST(pipe(alive));
	copy("in", "out");
	pid_t child = MUST(fork());
	if (child == 0) {
		char byte;
		MUST(setsid());
		MUST(close(alive[1]));
		MUST(dup2(MUST(open("/dev/null", O_RDWR)), 0));
		MUST(dup2(0, 1));
		MUST(dup2(0, 2));
		/* End of file comes when the command has ended. */
		MUST(read(alive[0], &byte, 1));
		if (!soon)
			MUST(open("go", O_RDONLY));
		copy("in", "late");
		_exit(0);
	}
	return 3;
}
