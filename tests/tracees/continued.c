/* Fifteen programs, one after the other, open a file while SIGCONT after SIGCONT is sent to them. */
#include "tracee.h"

int main(int argc, char **argv)
{
	if (argc > 1) {
		for (int n = 0; n < 20; n++)
			MUST(close(MUST(open("in", O_RDONLY))));
		return 0;
	}
	for (int n = 0; n < 15; n++) {
		pid_t child = MUST(fork());
		if (child == 0) {
			execl("/proc/self/exe", argv[0], "open", (char *)NULL);
			die("execl");
		}
		int status;
		while (MUST(waitpid(child, &status, WNOHANG)) == 0)
			MUST(kill(child, SIGCONT));
		if (status != 0)
			die("child");
	}
	return 0;
}
