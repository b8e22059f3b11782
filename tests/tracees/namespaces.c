/* Files opened in a mount namespace (bind mount, private tmpfs), in a chroot, in a pid namespace, and in one with a /proc of its own. */
#include "tracee.h"
#include <sys/mount.h>

static void enter(int flags)
{
	if (geteuid() != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) == -1)
		unsupported("unshare");
}

static void private_mounts(void)
{
	enter(CLONE_NEWNS);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		unsupported("mount");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "bind") == 0) {
		private_mounts();
		MUST(mount("sub", "mnt", NULL, MS_BIND, NULL));
		copy("mnt/in", "mnt/out");
	} else if (strcmp(what, "tmpfs") == 0) {
		private_mounts();
		if (mount("none", "mnt", "tmpfs", 0, NULL) == -1)
			unsupported("mount tmpfs");
		copy("in", "mnt/out");
	} else if (strcmp(what, "chroot") == 0) {
		enter(0);
		if (chroot("sub") == -1)
			unsupported("chroot");
		MUST(chdir("/"));
		copy("/in", "/out");
	} else if (strcmp(what, "proc") == 0) {
		enter(CLONE_NEWNS | CLONE_NEWPID);
		pid_t child = MUST(fork());
		if (child == 0) {
			if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
			    mount("proc", "/proc", "proc", 0, NULL) == -1)
				unsupported("mount proc");
			close(MUST(open("/proc/cpuinfo", O_RDONLY)));
			close(MUST(open("/proc/self/status", O_RDONLY)));
			copy("in", "out");
			_exit(0);
		}
		reap(child);
	} else if (strcmp(what, "pid") == 0) {
		enter(CLONE_NEWPID);
		pid_t child = MUST(fork());
		if (child == 0) {
			if (getpid() != 1)
				_exit(3);
			pid_t grandchild = MUST(fork());
			if (grandchild == 0) {
				copy("in", "out");
				_exit(0);
			}
			reap(grandchild);
			_exit(0);
		}
		reap(child);
	} else
		return 64;
	return 0;
}
