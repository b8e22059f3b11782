/* A 64-bit process that issues 32-bit calls: open is 5 there, which is fstat in the 64-bit table. */
#include "tracee.h"

static long call32(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(void)
{
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		die("mmap");
	strcpy(low, "in");
	strcpy(low + 16, "out");
	long in = call32(5, (long)low, O_RDONLY, 0);
	if (in == -ENOSYS) {
		errno = ENOSYS;
		unsupported("int $0x80");
	}
	long out = call32(5, (long)(low + 16), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (in < 0 || out < 0)
		return 3;
	long n = call32(3, in, (long)(low + 4096), 4096);
	if (n < 0 || call32(4, out, (long)(low + 4096), n) != n)
		return 4;
	return 0;
}
