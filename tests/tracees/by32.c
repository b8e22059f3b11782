/* Names change by 32-bit calls of a 64-bit process: by32 chdir | link. What it opens before and after, it opens by 64-bit
   ones, so often that it is hot. */
#include <sys/wait.h>
#include "tracee.h"

enum { CHDIR = 12, RMDIR = 40, SYMLINK = 83, TIMES = 12 };

static long call32(long number, const char *a, const char *b)
{
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b) : "memory", "r8", "r9", "r10", "r11");
	if (result == -ENOSYS) {
		errno = ENOSYS;
		unsupported("int $0x80");
	}
	return result;
}

static void look(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (argc < 2 || low == MAP_FAILED)
		die("mmap");
	strcpy(low, "one");
	strcpy(low + 16, "two");
	for (int i = 0; i < TIMES; i++)
		look("in");
	look("none");
	look("one/in");
	look("one/in2");
	if (!strcmp(argv[1], "chdir")) {
		if (call32(CHDIR, low, NULL))
			return 3;
		look("none");
		look("in2");
		return 0;
	}
	unlink("one/in");
	unlink("one/in2");
	if (call32(RMDIR, low, NULL) || call32(SYMLINK, low + 16, low))
		return 4;
	look("one/in");
	look("one/in2");
	return 0;
}
