/* Content moves between descriptors without passing through the process: sendfile, copy_file_range, splice, FICLONE. */
#include "tracee.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int in = MUST(open("in", O_RDONLY));
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	int ends[2];
	if (strcmp(how, "sendfile") == 0)
		MUST(sendfile(out, in, NULL, 1 << 16));
	else if (strcmp(how, "copy_file_range") == 0)
		MUST(copy_file_range(in, NULL, out, NULL, 1 << 16, 0));
	else if (strcmp(how, "splice") == 0) {
		MUST(pipe(ends));
		long n = MUST(splice(in, NULL, ends[1], NULL, 1 << 14, 0));
		MUST(splice(ends[0], NULL, out, NULL, n, 0));
	} else if (strcmp(how, "reflink") == 0) {
		if (ioctl(out, FICLONE, in) == -1)
			unsupported("FICLONE");
	} else
		return 64;
	return 0;
}
