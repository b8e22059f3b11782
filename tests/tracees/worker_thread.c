/* A worker as worker.c has it, but a thread: it holds a pipe above a free number and opens many files, and goes on with
 * that after the main thread has ended. The reader of the pipe writes what comes into `out`.
 */
#include "tracee.h"
#include <pthread.h>

static int count;
static pthread_t leader;

static void pass(const char *start, int to)
{
	for (int n = 0; n < count; n++) {
		char name[32], text[64];
		snprintf(name, sizeof name, "%s.%d", start, n);
		int in = MUST(open(name, O_RDONLY | O_CLOEXEC));
		MUST(write(to, text, MUST(read(in, text, sizeof text))));
		MUST(close(in));
		if (n % 10 == 9)
			MUST(chdir("."));  /* shark reads there what has been written down */
	}
}

static void *work(void *unused)
{
	pass("in", 20);
	close(15);  /* the main thread goes */
	pthread_join(leader, NULL);
	pass("late", 20);
	_exit(0);
}

int main(int argc, char **argv)
{
	int low[2], go[2];
	count = atoi(argv[1]);
	pass("first", MUST(open("/dev/null", O_WRONLY)));
	MUST(pipe(low));
	MUST(dup2(low[0], 19));
	MUST(dup2(low[1], 20));
	MUST(close(low[0]));
	MUST(close(low[1]));
	MUST(pipe(go));
	MUST(dup2(go[1], 15));
	MUST(close(go[1]));
	pid_t reader = MUST(fork());
	if (reader == 0) {
		close(20);
		close(15);
		int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666));
		copy_fd(19, out);
		_exit(0);
	}
	close(19);
	leader = pthread_self();
	pthread_t thread;
	if (pthread_create(&thread, NULL, work, NULL))
		die("pthread_create");
	char byte;
	MUST(read(go[0], &byte, 1));
	pthread_exit(NULL);
}
