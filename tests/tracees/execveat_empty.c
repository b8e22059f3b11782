/* execveat(fd, "", AT_EMPTY_PATH) of a program on disk. */
#include "tracee.h"

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "second", NULL}, *environment[] = {NULL};
	if (argc > 1) {
		copy("in", "out");
		return 0;
	}
	int program = MUST(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	MUST(syscall(SYS_execveat, program, "", args, environment, AT_EMPTY_PATH));
	return 1;
}
