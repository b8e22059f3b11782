/* A file is changed through a writable shared mapping; its descriptor is closed before the change. */
#include "tracee.h"

int main(void)
{
	int file = MUST(open("data", O_RDWR));
	char *memory = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	MUST(close(file));
	memcpy(memory, "NEW!", 4);
	return 0;
}
