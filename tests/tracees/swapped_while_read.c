/* Opens files by a link whose name leads elsewhere for others, so that they are found behind the descriptor, and swaps that
   with a file to which it never has access, all the while the ring is read: nothing stops it. */
#include "tracee.h"
#include <time.h>

enum { FILES = 300, HELD = 50, OTHER = 60 };

static long microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(void)
{
	int other = MUST(open("other", O_PATH));
	MUST(dup2(other, OTHER));
	MUST(close(other));
	for (int n = 0; n < FILES; n++) {
		char name[16];
		snprintf(name, sizeof name, "in%d", n);
		int in = MUST(open(name, O_PATH));  /* no access yet */
		MUST(dup2(in, HELD));
		MUST(close(in));
		int fd = MUST(open("link", O_RDONLY));
		for (long until = microseconds() + 7000; microseconds() < until;) {
			MUST(dup2(OTHER, fd));
			MUST(dup2(HELD, fd));
		}
		MUST(close(fd));
	}
	return 0;
}
