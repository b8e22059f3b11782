/* The first of two processes reads, and the second, which has the same number after it, writes. To be run in a pid
   namespace of its own, where the next number can be asked for. */
#include "tracee.h"

int main(void)
{
	int reads, writes = 0;
	reads = MUST(fork());
	if (reads == 0) {
		slurp("in");
		_exit(0);
	}
	reap(reads);
	/* Whoever else is in the namespace may take the number in between. */
	for (int times = 0; writes != reads && times < 100; times++) {
		char number[20];
		int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
		if (last == -1)
			unsupported("ns_last_pid");
		MUST(write(last, number, snprintf(number, sizeof number, "%d", reads - 1)));
		MUST(close(last));
		writes = MUST(fork());
		if (writes == 0) {
			if (getpid() == reads)
				put("out", "made of nothing\n");
			_exit(0);
		}
		reap(writes);
	}
	return writes == reads ? 0 : 77;
}
