/* A memfd is written and read again: memory, no file of anyone's. */
#include "tracee.h"

int main(void)
{
	int memory = MUST(syscall(SYS_memfd_create, "scratch", 0));
	copy_fd(MUST(open("in", O_RDONLY)), memory);
	MUST(lseek(memory, 0, SEEK_SET));
	copy_fd(memory, MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
	return 0;
}
