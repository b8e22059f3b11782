/* How careful programs put their output in place. The argument says which way. */
#include "tracee.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#define RENAME_WHITEOUT_FLAG 4

static void rename2(const char *old, const char *new, int flags)
{
	if (syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, flags) == -1)
		unsupported("renameat2");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "tmp") == 0) {
		copy("in", "out.tmp");
		MUST(rename("out.tmp", "out"));
	} else if (strcmp(how, "tmp-open") == 0) {
		int out = MUST(open("out.tmp", O_WRONLY | O_CREAT | O_EXCL, 0600));
		MUST(rename("out.tmp", "out"));
		copy_fd(MUST(open("in", O_RDONLY)), out);
	} else if (strcmp(how, "renameat") == 0) {
		int sub = MUST(open("sub", O_PATH));
		copy("in", "sub/out.tmp");
		MUST(renameat(sub, "out.tmp", AT_FDCWD, "out"));
	} else if (strcmp(how, "exchange") == 0) {
		copy("in", "out.tmp");
		rename2("out.tmp", "out", RENAME_EXCHANGE);
		MUST(unlink("out.tmp"));
	} else if (strcmp(how, "noreplace") == 0) {
		copy("in", "out.tmp");
		if (syscall(SYS_renameat2, AT_FDCWD, "out.tmp", AT_FDCWD, "in", RENAME_NOREPLACE) != -1 || errno != EEXIST)
			return 3;
		rename2("out.tmp", "out", RENAME_NOREPLACE);
	} else if (strcmp(how, "whiteout") == 0) {
		copy("in", "out.tmp");
		rename2("out.tmp", "out", RENAME_WHITEOUT_FLAG);
		MUST(unlink("out.tmp"));
	} else if (strcmp(how, "directory") == 0) {
		MUST(mkdir("d.tmp", 0755));
		MUST(mkdir("d.tmp/deep", 0755));
		copy("in", "d.tmp/deep/out");
		MUST(rename("d.tmp", "d"));
	} else if (strcmp(how, "directory-exchange") == 0) {
		MUST(mkdir("d.tmp", 0755));
		copy("in", "d.tmp/out");
		rename2("d.tmp", "sub", RENAME_EXCHANGE);
	} else if (strcmp(how, "backup") == 0) {
		MUST(rename("old", "old~"));
		copy("in", "old");
	} else if (strcmp(how, "link") == 0) {
		copy("in", "out.tmp");
		MUST(link("out.tmp", "out"));
		MUST(unlink("out.tmp"));
	} else if (strcmp(how, "two-names") == 0) {
		copy("in", "out");
		MUST(link("out", "out2"));
	} else if (strcmp(how, "only-renamed") == 0) {
		MUST(rename("in", "elsewhere"));
	} else if (strcmp(how, "twice") == 0) {
		copy("in", "a");
		MUST(rename("a", "b"));
		MUST(rename("b", "out"));
		put("a", "another file\n");
	} else
		return 64;
	return 0;
}
