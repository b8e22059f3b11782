/* Children that open "in" and "in2" without end are killed at any moment; after each five another one opens "in3". */
#include "tracee.h"

int main(void)
{
	slurp("in");
	for (int i = 0; i < 200; i++) {
		pid_t child = MUST(fork());
		if (child == 0)
			for (;;) {
				slurp("in");
				slurp("in2");
			}
		usleep(1500 + 37 * i % 400);
		MUST(kill(child, SIGKILL));
		MUST(waitpid(child, NULL, 0));
		if (i % 5 == 0) {
			child = MUST(fork());
			if (child == 0) {
				for (int n = 0; n < 100; n++)
					slurp("in3");
				_exit(0);
			}
			reap(child);
		}
	}
	return 0;
}
