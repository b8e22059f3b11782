/* While a process waits in the open of a FIFO, its child opens /dev/fuse, and then writes `source` into the FIFO. What comes of
   it the first one writes to `out`. */
#include "tracee.h"

int main(void)
{
	MUST(mkfifo("fifo", 0600));
	for (int n = 0; n < 10; n++)
		MUST(close(MUST(open("in", O_RDONLY))));
	if (MUST(fork()) == 0) {
		usleep(300000); /* nothing tells that its parent waits there */
		int device = open("/dev/fuse", O_RDWR);
		if (device < 0) {
			MUST(open("fifo", O_WRONLY));
			unsupported("/dev/fuse");
		}
		copy("source", "fifo");
		_exit(0);
	}
	copy("fifo", "out");
	int status;
	MUST(wait(&status));
	return WEXITSTATUS(status);
}
