/* CLONE_UNTRACED children, by clone and by clone3; the caller's flags must read the same afterwards, in both processes. */
#include "tracee.h"
#include <linux/sched.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

int main(int argc, char **argv)
{
	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	long child;
	if (argc > 1 && strcmp(argv[1], "clone3") == 0) {
		child = syscall(SYS_clone3, &args, sizeof args);
		if (child == -1 && errno == ENOSYS)
			unsupported("clone3");
	} else {
#ifdef __x86_64__
		/* By hand: whether the register reads the same is not to be seen behind a function. */
		register long flags __asm__("rdi") = CLONE_UNTRACED | SIGCHLD;
		register long stack __asm__("rsi") = 0, parent __asm__("rdx") = 0, own __asm__("r10") = 0, tls __asm__("r8") = 0;
		__asm__ volatile("syscall"
				 : "=a"(child), "+r"(flags)
				 : "a"(SYS_clone), "r"(stack), "r"(parent), "r"(own), "r"(tls)
				 : "rcx", "r11", "memory");
		args.flags = flags & ~(long)SIGCHLD;
		if (child < 0 && child > -4096)
			_exit(2);
#else
		child = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
#endif
	}
	MUST(child);
	if (args.flags != CLONE_UNTRACED) {
		fprintf(stderr, "flags changed in the %s: %#llx\n", child ? "parent" : "child", (long long)args.flags);
		_exit(3);
	}
	if (child == 0) {
		copy("in", "out");
		_exit(0);
	}
	reap(child);
	return 0;
}
