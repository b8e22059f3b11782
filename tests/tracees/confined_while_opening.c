/* While the main thread waits in the open of a FIFO, another one confines all of them to what the program does itself: no
   statx, no openat2. A child then writes `source` into the FIFO. With an argument, older threads wait in vfork by
   then, where nothing wakes them, and a thread of its own waits in the open. */
#include "tracee.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

enum { PARENTS = 4 };

static int ends[2], begin[2], born[2], go[2];

static void *read_fifo(void *unused)
{
	copy("fifo", "out");
	return unused;
}

static void *parent(void *unused)
{
	hear(begin[0]);
	if (MUST(vfork()) == 0) {
		alarm(20);
		tell(born[1]);
		hear(go[0]);
		_exit(0);
	}
	return unused;
}

static void *confine(void *unused)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 437, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {5, code};
	usleep(200000); /* nothing tells that the other one waits there */
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
	MUST(write(ends[1], "x", 1));
	return NULL;
}

int main(int argc, char **argv)
{
	char one;
	pthread_t thread, reader, parents[PARENTS];
	int n_parents = argc > 1 ? PARENTS : 0;
	(void)argv;
	MUST(pipe(ends));
	MUST(pipe(begin));
	MUST(pipe(born));
	MUST(pipe(go));
	MUST(mkfifo("fifo", 0600));
	for (int n = 0; n < 10; n++)
		MUST(close(MUST(open("in", O_RDONLY))));
	if (MUST(fork()) == 0) {
		MUST(read(ends[0], &one, 1));
		copy("source", "fifo");
		_exit(0);
	}
	for (int n = 0; n < n_parents; n++)
		if (pthread_create(&parents[n], NULL, parent, NULL))
			die("pthread_create");
	if (n_parents && pthread_create(&reader, NULL, read_fifo, NULL))
		die("pthread_create");
	if (n_parents)
		usleep(200000); /* nothing tells that it waits there */
	for (int n = 0; n < n_parents; n++) {
		tell(begin[1]);
		hear(born[0]);
	}
	if (pthread_create(&thread, NULL, confine, NULL))
		die("pthread_create");
	if (n_parents)
		pthread_join(reader, NULL);
	else
		read_fifo(NULL);
	for (int n = 0; n < n_parents; n++)
		tell(go[1]);
	for (int n = 0; n < n_parents; n++)
		pthread_join(parents[n], NULL);
	return 0;
}
