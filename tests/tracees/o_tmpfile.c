/* An unnamed file (O_TMPFILE) gets its name with linkat, when it is complete. */
#include "tracee.h"

int main(int argc, char **argv)
{
	char link[64];
	int out = open(".", O_TMPFILE | O_WRONLY, 0644);
	if (out == -1 && errno == EOPNOTSUPP)
		unsupported("O_TMPFILE");
	MUST(out);
	copy_fd(MUST(open("in", O_RDONLY)), out);
	if (argc > 1 && strcmp(argv[1], "empty-path") == 0) {
		if (linkat(out, "", AT_FDCWD, "out", AT_EMPTY_PATH) == -1)
			unsupported("linkat AT_EMPTY_PATH");
	} else {
		snprintf(link, sizeof link, "/proc/self/fd/%d", out);
		MUST(linkat(AT_FDCWD, link, AT_FDCWD, "out", AT_SYMLINK_FOLLOW));
	}
	return 0;
}
