/* Opens files while signals come all the time, from timers and from another process: no handler may see anything but the
   program's own code, each call gives what it would give, and what is behind a signal is as it was sent.
   storm SECONDS: prints how many signals were handled. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include "tracee.h"

static volatile unsigned long handled, queued, jumped;
static sigjmp_buf back;
static volatile sig_atomic_t may_jump;
static struct {
	unsigned long start, end;
} code[64]; /* what is executable of files, and the kernel's own page */
static int codes;

static void find_code(void)
{
	char line[512], permissions[8], name[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, maps)) {
		int words = sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &code[codes].start, &code[codes].end,
		                   permissions, name);
		if (words == 4 && permissions[2] == 'x' && codes < 63)
			codes++;
	}
	fclose(maps);
}

static void look_at(ucontext_t *context)
{
	unsigned long rip = context->uc_mcontext.gregs[REG_RIP];
	handled++;
	int known = 0;
	for (int i = 0; i < codes; i++)
		known |= code[i].start <= rip && rip < code[i].end;
	if (!known) {
		static const char said[] = "a handler has seen the recorder's code\n";
		if (write(2, said, sizeof said - 1))
			_exit(3);
	}
	if (context->uc_mcontext.gregs[REG_EFL] & 0x400) /* the direction flag */
		_exit(4);
}

static void on_alarm(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	look_at(context);
	if (may_jump && handled % 7 == 0) {
		may_jump = 0;
		jumped++;
		siglongjmp(back, 1);
	}
}

static void on_queued(int number, siginfo_t *info, void *context)
{
	(void)number;
	look_at(context);
	if (info->si_code != SI_QUEUE || info->si_value.sival_int != 42 || info->si_pid != (pid_t)getppid())
		_exit(5);
	queued++;
}

static void child(long seconds, int ready)
{
	find_code();
	char *alternate = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t small = {.ss_sp = alternate, .ss_size = 8 * 4096};
	struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	MUST(sigaltstack(&small, NULL));
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(sigaction(SIGPROF, &action, NULL));
	action.sa_sigaction = on_queued;
	MUST(sigaction(SIGRTMIN, &action, NULL));
	tell(ready);
	MUST(close(ready));
	struct itimerval timer = {{0, 211}, {0, 211}};
	MUST(setitimer(ITIMER_REAL, &timer, NULL));
	timer.it_value.tv_usec = timer.it_interval.tv_usec = 997;
	MUST(setitimer(ITIMER_PROF, &timer, NULL));
	time_t end = time(NULL) + seconds;
	for (unsigned n = 0; n % 256 || time(NULL) < end; n++) {
		int fd = open(n % 2 ? "in" : "in2", O_RDONLY);
		if (fd != 3) {
			fprintf(stderr, "open gave %d: %s\n", fd, strerror(errno));
			_exit(6);
		}
		char byte;
		if (read(fd, &byte, 1) != 1 || byte != (n % 2 ? '1' : '2'))
			_exit(7);
		MUST(close(fd));
		if (open("missing", O_RDONLY) != -1 || errno != ENOENT)
			_exit(8);
		if (n % 16 == 0 && sigsetjmp(back, 1) == 0) {
			may_jump = 1;
			for (int i = 0; i < 20; i++)
				syscall(__NR_openat, AT_FDCWD, "missing2", O_RDONLY, 0);
			may_jump = 0;
		}
		may_jump = 0;
	}
	printf("%s\n", handled > 100 && queued > 10 && jumped > 0 ? "many signals" : "few signals");
	exit(0);
}

int main(int argc, char **argv)
{
	(void)argc;
	put("in", "1");
	put("in2", "2");
	slurp("in");
	int ends[2];
	MUST(pipe(ends));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		MUST(close(ends[0]));
		child(atol(argv[1]), ends[1]);
	}
	union sigval value = {.sival_int = 42};
	hear(ends[0]);
	for (;;) {
		int status;
		pid_t ended = MUST(waitpid(pid, &status, WNOHANG));
		if (ended == pid) {
			if (WIFSIGNALED(status))
				fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
			return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
		}
		sigqueue(pid, SIGRTMIN, value);
		usleep(211);
	}
}
