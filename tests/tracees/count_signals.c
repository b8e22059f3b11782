/* Counts how often SIGUSR1 is delivered, until SIGUSR2 comes; SIGUSR1 is never blocked, so each delivery counts. */
#include "tracee.h"
#include <signal.h>

static volatile sig_atomic_t count, done;

static void on_usr1(int number) { (void)number; count++; }
static void on_usr2(int number) { (void)number; done = 1; }

int main(void)
{
	struct sigaction first = {.sa_handler = on_usr1, .sa_flags = SA_NODEFER}, last = {.sa_handler = on_usr2};
	sigset_t usr2, none;
	MUST(sigaction(SIGUSR1, &first, NULL));
	MUST(sigaction(SIGUSR2, &last, NULL));
	sigemptyset(&none);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	MUST(sigprocmask(SIG_BLOCK, &usr2, NULL));
	MUST(write(1, "ready\n", 6));
	while (!done)
		sigsuspend(&none);
	printf("%d\n", (int)count);
	return 0;
}
