/* execveat(fd, "", AT_EMPTY_PATH) of a program on disk: its own, or a script that is named. */
#include "tracee.h"

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "second", NULL}, *environment[] = {NULL};
	if (argc > 2) { /* "script" NAME: not closed by the exec, as its interpreter opens it by /dev/fd */
		int script = MUST(open(argv[2], O_RDONLY));
		MUST(syscall(SYS_execveat, script, "", args, environment, AT_EMPTY_PATH));
	}
	if (argc > 1) {
		copy("in", "out");
		return 0;
	}
	int program = MUST(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	MUST(syscall(SYS_execveat, program, "", args, environment, AT_EMPTY_PATH));
	return 1;
}
