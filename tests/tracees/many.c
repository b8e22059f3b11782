/* `many outputs N`: N small files, a thousand to a directory. `many opens N TIMES`: opens N such files for reading, all
   of them TIMES times, and prints after each round how many nanoseconds it took. */
#include "tracee.h"
#include <time.h>

static const char *name(int n)
{
	static char text[64];
	snprintf(text, sizeof text, "%04d/%06d", n / 1000, n);
	return text;
}

static long long now(void)
{
	struct timespec time;
	MUST(clock_gettime(CLOCK_MONOTONIC, &time));
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 0;
	if (argc == 3 && !strcmp(argv[1], "outputs")) {
		for (int n = 0; n < count; n++) {
			char directory[16];
			snprintf(directory, sizeof directory, "%04d", n / 1000);
			if (n % 1000 == 0)
				MUST(mkdir(directory, 0755));
			int fd = MUST(open(name(n), O_WRONLY | O_CREAT | O_EXCL, 0644));
			MUST(dprintf(fd, "%d\n", n));
			MUST(close(fd));
		}
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "opens")) {
		for (int round = atoi(argv[3]); round > 0; round--) {
			long long begin = now();
			for (int n = 0; n < count; n++)
				MUST(close(MUST(open(name(n), O_RDONLY))));
			printf("%lld\n", now() - begin);
		}
		return 0;
	}
	return 2;
}
