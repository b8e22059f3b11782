/* Many short children at once: first stops arrive before the parents' events, pids come and go. */
#include "tracee.h"

int main(void)
{
	char name[32];
	for (int i = 0; i < 120; i++)
		if (MUST(fork()) == 0) {
			snprintf(name, sizeof name, "out%d", i);
			if (i % 3 == 0) {
				pid_t grandchild = MUST(fork());
				if (grandchild == 0) {
					copy("in", name);
					_exit(0);
				}
				reap(grandchild);
			} else
				copy("in", name);
			_exit(0);
		}
	for (int i = 0; i < 120; i++)
		reap(-1);
	return 0;
}
