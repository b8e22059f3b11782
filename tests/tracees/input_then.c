/* "in" is read, and afterwards something happens to it, before "out" is written from what was read. */
#include "tracee.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char text[4096];
	int in = MUST(open("in", O_RDONLY));
	if (strcmp(what, "unlink-open") == 0)
		MUST(unlink("in"));
	long n = MUST(read(in, text, sizeof text));
	MUST(close(in));
	if (strcmp(what, "overwrite") == 0)
		put("in", "something else\n");
	else if (strcmp(what, "update") == 0) {
		int file = MUST(open("in", O_RDWR));
		MUST(pwrite(file, "#", 1, 0));
		MUST(close(file));
	} else if (strcmp(what, "truncate") == 0)
		MUST(truncate("in", 1));
	else if (strcmp(what, "unlink") == 0)
		MUST(unlink("in"));
	else if (strcmp(what, "recreate") == 0) {
		MUST(unlink("in"));
		put("in", "a new file of the same name\n");
	} else if (strcmp(what, "replace") == 0) {
		put("in.tmp", "replaced by rename\n");
		MUST(rename("in.tmp", "in"));
	} else if (strcmp(what, "rename") == 0)
		MUST(rename("in", "moved"));
	else if (strcmp(what, "link") == 0)
		MUST(link("in", "second-name"));
	else if (strcmp(what, "chmod") == 0)
		MUST(chmod("in", 0600));
	else if (strcmp(what, "touch") == 0)
		MUST(utimensat(AT_FDCWD, "in", NULL, 0));
	else if (strcmp(what, "exchange") == 0) {
		put("other", "the other one\n");
		if (syscall(SYS_renameat2, AT_FDCWD, "in", AT_FDCWD, "other", RENAME_EXCHANGE) == -1)
			unsupported("RENAME_EXCHANGE");
	} else if (strcmp(what, "unlink-open") != 0)
		return 64;
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	MUST(write(out, text, n));
	return 0;
}
