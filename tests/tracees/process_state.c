/* Prints what a process inherits, one fact a line, so that it can be compared with and without shark. */
#include "tracee.h"
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

static void signals(void)
{
	struct sigaction action;
	for (int number = 1; number < NSIG; number++)
		if (sigaction(number, NULL, &action) == 0)
			printf("signal %d %s\n", number, action.sa_handler == SIG_IGN ? "ignored" : "default");
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&mask, number) == 1)
			printf("blocked %d\n", number);
}

static void descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		struct stat is;
		if (fstat(fd, &is) == 0)
			printf("fd %d dev %llu ino %llu flags %o cloexec %d tty %d at %lld\n", fd, (unsigned long long)is.st_dev,
			       (unsigned long long)is.st_ino, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD), isatty(fd),
			       (long long)lseek(fd, 0, SEEK_CUR));
	}
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;
	char directory[4096];
	struct rlimit limit;
	(void)argc;
	for (int i = 0; environ[i]; i++)
		printf("env %s\n", environ[i]);
	printf("argv0 %s\n", argv[0]);
	descriptors();
	signals();
	for (int what = 0; what < RLIM_NLIMITS; what++)
		if (getrlimit(what, &limit) == 0)
			printf("rlimit %d %llu %llu\n", what, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	mode_t mask = umask(0);
	printf("umask %o\nnice %d\nscheduler %d\n", mask, getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
	MUST(sched_getaffinity(0, sizeof cpus, &cpus));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			printf("cpu %d\n", cpu);
	printf("cwd %s\nuid %d %d gid %d %d\n", getcwd(directory, sizeof directory), getuid(), geteuid(), getgid(), getegid());
	printf("ppid %d pgid %d sid %d\n", getppid(), getpgrp(), getsid(0));
	printf("dumpable %d death-signal-subreaper %d keepcaps %d\n", prctl(PR_GET_DUMPABLE), 0, prctl(PR_GET_KEEPCAPS));
	printf("children %s\n", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? "none" : "some");
	return 0;
}
