/* A mapping that grows downwards (MAP_GROWSDOWN), right below the lowest library: it grows by 6 MB after files were read. */
#include "tracee.h"

enum { FIRST = 64 << 10, MORE = 6 << 20 };

static unsigned long lowest_library(void)
{
	unsigned long start, area = 0x600000000000;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-", &start) == 1 && start > area)
			break;
	fclose(maps);
	return start;
}

int main(void)
{
	char *place = (char *)lowest_library() - FIRST;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK | MAP_FIXED_NOREPLACE;
	volatile char *low = mmap(place, FIRST, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (low == MAP_FAILED)
		die("mmap");
	for (int n = 0; n < 30; n++)
		slurp("in");
	for (long down = 0; down < MORE; down += 4096)
		low[-down] = 1;
	puts("grown");
	return 0;
}
