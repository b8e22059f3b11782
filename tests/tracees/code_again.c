/* Code that calls openat, written by the program itself, as a just-in-time compiler or dlopen() would: "again" maps it
   anew from a file, at the same address; "moved" copies it elsewhere after it has run; "shared" runs it from a file that
   it maps shared, which must stay as it is; "twice" runs it from a shared mapping that cannot be written. */
#include "tracee.h"

static const unsigned char CODE[] = {0xb8, 0x01, 0x01, 0x00, 0x00, 0x0f, 0x05, 0xc3}; /* mov $257,%eax; syscall; ret */
enum { SIZE = 4096, OFFSET = 64, TIMES = 100 };
typedef long openat_function(long, const char *, long, long);

static void call(void *code, const char *path)
{
	long fd = ((openat_function *)((char *)code + OFFSET))(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0) {
		fprintf(stderr, "openat: %ld\n", fd);
		_exit(2);
	}
	MUST(close(fd));
}

static char *map(void *at, int protection, int flags, int file)
{
	char *code = mmap(at, SIZE, protection | PROT_READ | PROT_EXEC, flags | (at ? MAP_FIXED : 0), file, 0);
	if (code == MAP_FAILED)
		die("mmap");
	return code;
}

int main(int argc, char **argv)
{
	(void)argc;
	const char *how = argv[1];
	int file = MUST(open("code", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(ftruncate(file, SIZE));
	MUST(pwrite(file, CODE, sizeof CODE, OFFSET));
	if (strcmp(how, "moved") == 0) {
		char *code = map(NULL, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		char *far = map(NULL, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		MUST(pread(file, code, SIZE, 0));
		for (int i = 0; i < TIMES; i++) {
			call(code, "in");
			memcpy(far, code, SIZE);
			memset(code, 0, SIZE);
			call(far, "in2");
			memcpy(code, far, SIZE);
			memset(far, 0, SIZE);
		}
	} else {
		char *at = NULL;
		int again = strcmp(how, "again") == 0;
		for (int i = 0; i < TIMES; i++) {
			if (again || !at)
				at = map(at, strcmp(how, "shared") == 0 ? PROT_WRITE : 0,
				         again ? MAP_PRIVATE : MAP_SHARED, file);
			call(at, "in");
			call(at, "in2");
			if (again)
				MUST(munmap(at, SIZE));
		}
	}
	char now[sizeof CODE];
	MUST(pread(file, now, sizeof now, OFFSET));
	if (memcmp(now, CODE, sizeof CODE) != 0) {
		fprintf(stderr, "the file has changed\n");
		return 3;
	}
	return 0;
}
