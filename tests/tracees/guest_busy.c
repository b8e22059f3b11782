/* Works in rounds that check themselves, and writes a line after each, until standard input ends: children with exit
   statuses, threads, signals to itself that are counted and must come in order, a file that is written, read and
   renamed. "all well" at the end. */
#include "tracee.h"
#include <poll.h>
#include <pthread.h>

static volatile sig_atomic_t counted, last;

static void on_usr1(int number)
{
	(void)number;
	counted++;
}

static void on_queued(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_value.sival_int != last + 1)
		_exit(3);
	last = info->si_value.sival_int;
}

static void *work(void *round)
{
	char name[64];
	snprintf(name, sizeof name, "busy-%ld", (long)round);
	put(name, "text");
	slurp(name);
	MUST(rename(name, "busy"));
	return NULL;
}

int main(void)
{
	struct sigaction one = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
	struct sigaction queued = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct pollfd input = {.fd = 0};
	long sent = 0, i, k;

	MUST(sigaction(SIGUSR1, &one, NULL));
	MUST(sigaction(SIGRTMIN, &queued, NULL));
	MUST(write(1, "ready\n", 6));
	for (i = 0; poll(&input, 1, 0) == 0; i++) {
		pthread_t thread;
		int status;
		pid_t child = MUST(fork());
		if (child == 0) {
			slurp("in");
			_exit(i % 200);
		}
		if (pthread_create(&thread, NULL, work, (void *)i))
			return 4;
		MUST(kill(getpid(), SIGUSR1));
		for (k = 0; k < 3; k++)
			MUST(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = ++sent}));
		if (MUST(waitpid(child, &status, 0)) != child || !WIFEXITED(status) || WEXITSTATUS(status) != i % 200)
			return 5;
		pthread_join(thread, NULL);
		if (counted != i + 1 || last != sent)
			return 6;
		printf("round %ld\n", i);
		fflush(stdout);
	}
	puts("all well");
	return 0;
}
