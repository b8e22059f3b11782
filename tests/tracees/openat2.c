/* openat2: its flags lie in memory, and it may resolve as if in a root of its own. */
#include "tracee.h"
#include <linux/openat2.h>

static long openat2(int directory, const char *path, struct open_how how)
{
	return syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int main(void)
{
	int sub = MUST(open("sub", O_PATH | O_DIRECTORY));
	long in = openat2(sub, "/in", (struct open_how){.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT});
	if (in == -1 && errno == ENOSYS)
		unsupported("openat2");
	MUST(in);
	int out = MUST(openat2(AT_FDCWD, "out", (struct open_how){.flags = O_WRONLY | O_CREAT | O_TRUNC, .mode = 0644}));
	copy_fd(in, out);
	return 0;
}
