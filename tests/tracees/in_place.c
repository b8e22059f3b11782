/* Ways of opening an existing file for writing. The argument says which. */
#include "tracee.h"
#include <sys/xattr.h>

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int file;
	if (strcmp(how, "append") == 0) {
		file = MUST(open("data", O_WRONLY | O_APPEND));
		MUST(write(file, "more", 4));
	} else if (strcmp(how, "update") == 0) {
		file = MUST(open("data", O_RDWR));
		MUST(pwrite(file, "XX", 2, 1));
	} else if (strcmp(how, "creat-alone") == 0) {
		file = MUST(open("data", O_WRONLY | O_CREAT, 0644));
		MUST(write(file, "YY", 2));
	} else if (strcmp(how, "trunc") == 0) {
		file = MUST(open("data", O_WRONLY | O_TRUNC));
		MUST(write(file, "short", 5));
	} else if (strcmp(how, "trunc-only") == 0) {
		file = MUST(open("data", O_WRONLY | O_TRUNC));
	} else if (strcmp(how, "unchanged") == 0) {
		char byte;
		file = MUST(open("data", O_RDWR));
		MUST(read(file, &byte, 1));
	} else if (strcmp(how, "unchanged-chmod") == 0) {
		file = MUST(open("data", O_RDWR));
		MUST(fchmod(file, 0600));
		MUST(link("data", "second-name"));
	} else if (strcmp(how, "same-bytes") == 0) {
		char bytes[64];
		file = MUST(open("data", O_RDWR));
		long n = MUST(pread(file, bytes, sizeof bytes, 0));
		MUST(pwrite(file, bytes, n, 0));
	} else if (strcmp(how, "trunc-same-bytes") == 0) {
		file = MUST(open("data", O_RDWR | O_TRUNC));
		MUST(write(file, "old content\n", 12));
	} else if (strcmp(how, "same-size-kept-mtime") == 0) {
		struct stat before;
		MUST(stat("data", &before));
		file = MUST(open("data", O_RDWR));
		MUST(pwrite(file, "Q", 1, 0));
		struct timespec times[2] = {before.st_atim, before.st_mtim};
		MUST(futimens(file, times));
	} else if (strcmp(how, "truncate") == 0) {
		MUST(truncate("data", 3));
		return 0;
	} else if (strcmp(how, "ftruncate") == 0) {
		file = MUST(open("data", O_RDWR));
		MUST(ftruncate(file, 3));
	} else if (strcmp(how, "fallocate") == 0) {
		file = MUST(open("data", O_RDWR));
		if (fallocate(file, 0, 0, 100) == -1)
			unsupported("fallocate");
	} else if (strcmp(how, "touch") == 0) {
		MUST(utimensat(AT_FDCWD, "data", NULL, 0));
		return 0;
	} else
		return 64;
	MUST(close(file));
	return 0;
}
