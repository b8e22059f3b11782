/* Reads "in", says so on stdout, waits for a byte on stdin (someone outside changes the file meanwhile), writes "out". */
#include "tracee.h"

int main(void)
{
	slurp("in");
	tell(1);
	hear(0);
	put("out", "made from what was read\n");
	return 0;
}
