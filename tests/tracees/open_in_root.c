/* A file is appended to by a path that is looked up below a directory (RESOLVE_IN_ROOT of openat2(2)). */
#include <linux/openat2.h>
#include "tracee.h"

int main(void)
{
	struct open_how how = {.flags = O_WRONLY | O_CREAT | O_APPEND, .mode = 0644, .resolve = RESOLVE_IN_ROOT};
	int directory = MUST(open("root", O_RDONLY | O_DIRECTORY));
	int file = syscall(SYS_openat2, directory, "/shark-test-file", &how, sizeof how);
	if (file == -1)
		unsupported("openat2");
	MUST(write(file, "more\n", 5));
	return 0;
}
