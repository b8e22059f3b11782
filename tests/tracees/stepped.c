/* A process that has the recorder's code in its memory, without a supervisor: a test drives it instruction by instruction
   (test_recorder_stepping.py). All registers and flags hold what the test wants when a call is made; what they hold
   afterwards, and what a signal's handler saw, is kept for the test.

   stepped STUB RING: files with the stub's bytes, and the ring. Prints the addresses that the test needs, then stops by
   int3 whenever it wants to be told what to do. */
#include <stddef.h>
#include <ucontext.h>
#include "tracee.h"

enum { CODE = 0x70000000, PAGE = 0x70001000, RING = 0x70010000, GREGS = 18 };

struct exchange {
	uint64_t in[GREGS], out[GREGS], seen[GREGS]; /* in the order of ucontext's gregs */
	uint64_t site, handled, value, red_zone[2];
	uint64_t stack, above; /* the latter is what lies above the call's return address */
};

struct exchange x __asm__("exchange");
static char near_page[4096] __attribute__((aligned(4096)));
void enter(void) __asm__("enter");
void returned(void) __asm__("returned");
extern char site_openat[] __asm__("site_openat"), site_open[] __asm__("site_open"), site_moved[] __asm__("site_moved");
extern char site_chosen[] __asm__("site_chosen"); /* the caller has set eax, and has room above its return address */

/* gregs: r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags */
__asm__(
".text\n"
"enter:\n"
"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n	push %r15\n	push %r15\n"
"	mov %rsp, exchange+472(%rip)\n"
"	movabs $0x1122334455667788, %rax\n"
"	mov %rax, -16(%rsp)\n	mov %rax, -128(%rsp)\n"
"	push exchange+136(%rip)\n	popf\n"
"	mov %rax, -8(%rsp)\n"
"	mov exchange+0(%rip), %r8\n	mov exchange+8(%rip), %r9\n	mov exchange+16(%rip), %r10\n"
"	mov exchange+24(%rip), %r11\n	mov exchange+32(%rip), %r12\n	mov exchange+40(%rip), %r13\n"
"	mov exchange+48(%rip), %r14\n	mov exchange+56(%rip), %r15\n	mov exchange+64(%rip), %rdi\n"
"	mov exchange+72(%rip), %rsi\n	mov exchange+80(%rip), %rbp\n	mov exchange+88(%rip), %rbx\n"
"	mov exchange+96(%rip), %rdx\n	mov exchange+104(%rip), %rax\n	mov exchange+112(%rip), %rcx\n"
"	int3\n"
"	jmp *exchange+432(%rip)\n"
"site_openat:\n	mov $257, %eax\n	syscall\n	jmp returned\n"
"site_open:\n	mov $2, %eax\n	syscall\n	jmp returned\n"
"site_moved:\n	mov $257, %eax\n	mov %rdi, %rsi\n	mov $0xffffff9c, %edi\n	syscall\n	jmp returned\n"
"site_chosen:\n	mov %r11, 8(%rsp)\n	syscall\n	jmp returned\n"
"returned:\n"
"	mov %r8, exchange+144(%rip)\n	mov %r9, exchange+152(%rip)\n	mov %r10, exchange+160(%rip)\n"
"	mov %r11, exchange+168(%rip)\n	mov %r12, exchange+176(%rip)\n	mov %r13, exchange+184(%rip)\n"
"	mov %r14, exchange+192(%rip)\n	mov %r15, exchange+200(%rip)\n	mov %rdi, exchange+208(%rip)\n"
"	mov %rsi, exchange+216(%rip)\n	mov %rbp, exchange+224(%rip)\n	mov %rbx, exchange+232(%rip)\n"
"	mov %rdx, exchange+240(%rip)\n	mov %rax, exchange+248(%rip)\n	mov %rcx, exchange+256(%rip)\n"
"	mov %rsp, exchange+264(%rip)\n"
"	mov -16(%rsp), %rax\n	mov %rax, exchange+456(%rip)\n"
"	mov -128(%rsp), %rax\n	mov %rax, exchange+464(%rip)\n"
"	mov 8(%rsp), %rax\n	mov %rax, exchange+480(%rip)\n"
"	pushf\n	pop exchange+280(%rip)\n"
"	cld\n"
"	mov exchange+472(%rip), %rsp\n"
"	pop %r15\n	pop %r15\n	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
"	ret\n");

_Static_assert(offsetof(struct exchange, site) == 432, "");
_Static_assert(offsetof(struct exchange, red_zone) == 456, "");
_Static_assert(offsetof(struct exchange, stack) == 472, "");
_Static_assert(offsetof(struct exchange, above) == 480, "");

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	ucontext_t *c = context;
	for (int i = 0; i < GREGS; i++)
		x.seen[i] = (uint64_t)c->uc_mcontext.gregs[i];
	x.value = (uint64_t)info->si_value.sival_int;
	x.handled++;
}

static void *map(uint64_t address, size_t size, int protection, int flags, int file)
{
	void *at = mmap((void *)address, size, protection, flags | MAP_FIXED_NOREPLACE, file, 0);
	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

int main(int argc, char **argv)
{
	(void)argc;
	int stub = MUST(open(argv[1], O_RDONLY)), ring = MUST(open(argv[2], O_RDWR));
	char *code = map(CODE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	MUST(read(stub, code, 4096));
	map(RING, lseek(ring, 0, SEEK_END), PROT_READ | PROT_WRITE, MAP_SHARED, ring);
	MUST(close(stub));
	MUST(close(ring));
	MUST(dup2(MUST(open(".", O_RDONLY | O_DIRECTORY)), 1000));
	MUST(mprotect(near_page, sizeof near_page, PROT_READ | PROT_WRITE | PROT_EXEC));
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	MUST(sigaction(SIGUSR1, &action, NULL));
	action.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGUSR2, &action, NULL));
	printf("%p %p %p %p %p %p %p\n", (void *)&x, (void *)near_page, (void *)site_openat, (void *)site_open,
	       (void *)site_moved, (void *)site_chosen, (void *)returned);
	fflush(stdout);
	char byte;
	MUST(read(0, &byte, 1)); /* until the test traces this process */
	for (;;) {
		__asm__ volatile("int3" ::: "memory");
		enter();
		if ((int64_t)x.out[13] >= 0)
			close((int)x.out[13]);
	}
}
