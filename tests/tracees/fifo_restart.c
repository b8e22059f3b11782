/* open(2) of a FIFO, interrupted twenty times while it waits for the other side: with SA_RESTART it is restarted, without
   it fails with EINTR and is called again. */
#include "tracee.h"

static int handled[2];

static void handler(int number)
{
	(void)number;
	tell(handled[1]);
}

int main(int argc, char **argv)
{
	int restart = argc > 1 && strcmp(argv[1], "restart") == 0;
	int ready[2];
	MUST(mkfifo("fifo", 0600));
	MUST(pipe(ready));
	MUST(pipe(handled));
	pid_t child = MUST(fork());
	if (child == 0) {
		struct sigaction action = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
		int fifo;
		MUST(sigaction(SIGUSR1, &action, NULL));
		tell(ready[1]);
		while ((fifo = open("fifo", O_RDONLY)) == -1)
			if (errno != EINTR || restart)
				die("open fifo");
		int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
		copy_fd(fifo, out);
		_exit(0);
	}
	hear(ready[0]);
	for (int i = 0; i < 20; i++) {
		MUST(kill(child, SIGUSR1));
		hear(handled[0]);
	}
	int fifo = MUST(open("fifo", O_WRONLY));
	copy_fd(MUST(open("in", O_RDONLY)), fifo);
	MUST(close(fifo));
	reap(child);
	MUST(unlink("fifo"));
	return 0;
}
