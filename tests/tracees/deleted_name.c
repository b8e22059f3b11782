/* Files whose names really end in " (deleted)". */
#include "tracee.h"

int main(void)
{
	copy("in (deleted)", "out (deleted)");
	return 0;
}
