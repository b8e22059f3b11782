/* exec_vain N [DIRECTORY PROGRAM]: N execs of what is not there; then PROGRAM, with DIRECTORY open as descriptor 9. */
#include "tracee.h"

int main(int argc, char **argv)
{
	char *words[] = {"x", NULL};
	for (int n = atoi(argv[1]); n > 0; n--) {
		char path[4096], here[4000];
		snprintf(path, sizeof path, "%s/program%d", getcwd(here, sizeof here), n);
		execv(path, words);
		if (errno != ENOENT)
			return 1;
	}
	if (argc > 3) {
		int directory = open(argv[2], O_RDONLY | O_DIRECTORY);
		if (directory < 0 || dup2(directory, 9) != 9)
			return 1;
		execv(argv[3], words);
		return 1;
	}
	copy("in", "out");
	return 0;
}
