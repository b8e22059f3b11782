/* Execs that fail: not found, not executable, a directory, a script without its interpreter; then the program goes on. */
#include "tracee.h"

int main(void)
{
	char *argv[] = {"x", NULL};
	execv("nowhere/program", argv);
	execv("plain", argv);
	execv("sub", argv);
	execv("lost-interpreter", argv);
	copy("in", "out");
	return 0;
}
