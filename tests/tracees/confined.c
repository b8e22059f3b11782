/* CALL ANSWER PROGRAM…: executes PROGRAM under a filter that refuses system call number CALL with errno ANSWER, or kills
   whoever makes it if that is 0: as containers and service managers do around the whole of a run. */
#include "tracee.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

int main(int argc, char **argv)
{
	int answer = atoi(argv[2]);
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(argv[1]), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, answer ? SECCOMP_RET_ERRNO | answer : SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	MUST(execvp(argv[3], argv + 3));
	return 0;
}
