/* A directory is listed. */
#include "tracee.h"
#include <dirent.h>

int main(void)
{
	DIR *directory = opendir("sub");
	struct dirent *entry;
	int count = 0;
	if (!directory)
		die("opendir");
	while ((entry = readdir(directory)))
		count++;
	closedir(directory);
	put("out", count > 2 ? "some\n" : "none\n");
	return 0;
}
