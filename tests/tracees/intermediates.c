/* Files made and removed inside the run; an inode number that another file takes over. */
#include "tracee.h"

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "unlink") == 0) {
		copy("in", "scratch");
		copy("scratch", "out");
		MUST(unlink("scratch"));
	} else if (strcmp(how, "unlink-open") == 0) {
		int scratch = MUST(open("scratch", O_RDWR | O_CREAT | O_EXCL, 0600));
		MUST(unlink("scratch"));
		copy_fd(MUST(open("in", O_RDONLY)), scratch);
		MUST(lseek(scratch, 0, SEEK_SET));
		copy_fd(scratch, MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
	} else if (strcmp(how, "inode-reuse") == 0) {
		struct stat first, second;
		for (int i = 0; i < 20; i++) {
			put("scratch", "nothing of this stays\n");
			MUST(stat("scratch", &first));
			MUST(unlink("scratch"));
			put("out", "fresh\n");
			MUST(stat("out", &second));
			if (i < 19)
				MUST(unlink("out"));
		}
		printf("%s\n", first.st_ino == second.st_ino ? "reused" : "not reused");
	} else if (strcmp(how, "input-inode-reuse") == 0) {
		/* The input goes, and the output may take its number: they are two files. */
		slurp("in");
		MUST(unlink("in"));
		put("out", "fresh\n");
	} else if (strcmp(how, "overwritten-output") == 0) {
		put("out", "first\n");
		slurp("out");
		copy("in", "out");
	} else if (strcmp(how, "removed-tree") == 0) {
		MUST(mkdir("t", 0755));
		copy("in", "t/a");
		copy("t/a", "out");
		MUST(unlinkat(AT_FDCWD, "t/a", 0));
		MUST(unlinkat(AT_FDCWD, "t", AT_REMOVEDIR));
	} else
		return 64;
	return 0;
}
