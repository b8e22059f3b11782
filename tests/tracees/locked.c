/* Takes a lock on descriptor 3, which it inherited, and leaves a daemon without any of its descriptors; the lock must be
   free when the command has ended, though the run goes on. */
#include "tracee.h"
#include <sys/file.h>

int main(void)
{
	int alive[2];
	char byte;
	MUST(pipe(alive));
	MUST(flock(3, LOCK_EX | LOCK_NB));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(setsid());
		for (int fd = 0; fd < 4; fd++)
			MUST(close(fd));
		MUST(close(alive[1]));
		MUST(read(alive[0], &byte, 1));
		MUST(open("go", O_RDONLY));
		_exit(0);
	}
	MUST(write(1, "locked\n", 7));
	return 0;
}
