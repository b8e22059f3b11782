/* Files reached through a mount that is in no namespace: open_tree(OPEN_TREE_CLONE) of the directory sub. Their paths, as
   the kernel tells them, begin at that mount's own root. By: openat from its descriptor, or from a working directory in it. */
#include "tracee.h"

#define OPEN_TREE_CLONE_ 1

static void copy_at(int dir)
{
	int in = MUST(openat(dir, "in", O_RDONLY));
	int out = MUST(openat(dir, "out.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(in, out);
	MUST(close(in));
	MUST(close(out));
	MUST(renameat(dir, "out.tmp", dir, "out"));
	if (openat(dir, "absent", O_RDONLY) != -1 || mkdirat(dir, "made", 0755) == -1)
		die("absent, made");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "openat";
	int tree = syscall(428 /* open_tree */, AT_FDCWD, "sub", OPEN_TREE_CLONE_ | O_CLOEXEC);
	if (tree == -1)
		unsupported("open_tree");
	if (strcmp(how, "openat") == 0)
		copy_at(tree);
	else if (strcmp(how, "fchdir") == 0) {
		MUST(fchdir(tree));
		copy_at(AT_FDCWD);
	} else
		return 64;
	return 0;
}
