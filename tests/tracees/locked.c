/* Takes no lock itself; says on stdout whether another process could take one on descriptor 3 after this one has ended:
   it inherits the only descriptor of a flock. */
#include "tracee.h"
#include <sys/file.h>

int main(void)
{
	MUST(flock(3, LOCK_EX | LOCK_NB));
	printf("locked\n");
	return 0;
}
