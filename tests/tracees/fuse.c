/* A FUSE daemon inside the run, which itself opens a file for each request (as every pass-through file system does): a
   tracer that waits for the file system while it holds the daemon would wait for ever. */
#include "tracee.h"
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

static void answer(int device, uint64_t unique, int error, const void *body, size_t size)
{
	struct fuse_out_header header = {sizeof header + size, -error, unique};
	struct iovec parts[2] = {{&header, sizeof header}, {(void *)body, size}};
	MUST(writev(device, parts, size ? 2 : 1));
}

static void attributes(struct fuse_attr *of, uint64_t ino)
{
	*of = (struct fuse_attr){.ino = ino, .nlink = 1, .mode = ino == 1 ? S_IFDIR | 0755 : S_IFREG | 0644, .blksize = 4096};
	if (ino != 1)
		of->size = 6;
}

static void serve(int device)
{
	static char buffer[1 << 17];
	for (;;) {
		struct fuse_in_header *request = (void *)buffer;
		struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096};
		struct fuse_entry_out entry = {.nodeid = 2};
		struct fuse_attr_out attribute = {0};
		struct fuse_open_out opened = {0};
		if (read(device, buffer, sizeof buffer) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);
		}
		slurp("backing");
		attributes(&entry.attr, 2);
		attributes(&attribute.attr, request->nodeid);
		switch (request->opcode) {
		case FUSE_INIT: answer(device, request->unique, 0, &init, sizeof init); break;
		case FUSE_LOOKUP: answer(device, request->unique, 0, &entry, sizeof entry); break;
		case FUSE_GETATTR: answer(device, request->unique, 0, &attribute, sizeof attribute); break;
		case FUSE_OPEN:
		case FUSE_OPENDIR: answer(device, request->unique, 0, &opened, sizeof opened); break;
		case FUSE_READ: answer(device, request->unique, 0, "hello\n", 6); break;
		case FUSE_FLUSH:
		case FUSE_RELEASE: answer(device, request->unique, 0, NULL, 0); break;
		case FUSE_FORGET: break;
		default: answer(device, request->unique, ENOSYS, NULL, 0);
		}
	}
}

int main(void)
{
	char options[128];
	int device = open("/dev/fuse", O_RDWR);
	if (device == -1 || unshare(CLONE_NEWNS) == -1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		unsupported("FUSE");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	if (mount("tracee", "mnt", "fuse.tracee", 0, options) == -1)
		unsupported("mount fuse");
	pid_t daemon = MUST(fork());
	if (daemon == 0)
		serve(device);
	MUST(close(device));
	copy("mnt/file", "out");
	MUST(umount2("mnt", MNT_DETACH));
	MUST(kill(daemon, SIGKILL));
	MUST(waitpid(daemon, NULL, 0));
	return 0;
}
