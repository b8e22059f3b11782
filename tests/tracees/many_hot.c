/* As many children as the argument says read `in` again and again, and stay; then a shell runs two pipelines. */
#include "tracee.h"

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1, go[2], ready[2];
	char byte;
	MUST(pipe2(go, O_CLOEXEC));
	MUST(pipe2(ready, O_CLOEXEC));
	for (int n = 0; n < 20; n++)
		slurp("in");
	for (int n = 0; n < count; n++)
		if (MUST(fork()) == 0) {
			MUST(close(go[1]));
			slurp("in");
			tell(ready[1]);
			MUST(read(go[0], &byte, 1));
			_exit(0);
		}
	for (int n = 0; n < count; n++)
		hear(ready[0]);
	if (system("cat in1 | sort > out1; sort in2 > out2; echo more >> in1"))
		return 2;
	MUST(close(go[1]));
	for (int n = 0; n < count; n++)
		MUST(wait(NULL));
	return 0;
}
