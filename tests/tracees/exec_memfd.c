/* fexecve of a memfd: the program that runs has no name in any directory. */
#include "tracee.h"

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "second", NULL}, *environment[] = {NULL};
	if (argc > 1) {
		copy("in", "out");
		return 0;
	}
	int memory = MUST(syscall(SYS_memfd_create, "program", 1 /* MFD_CLOEXEC */));
	copy_fd(MUST(open("/proc/self/exe", O_RDONLY)), memory);
	MUST(fexecve(memory, args, environment));
	return 1;
}
