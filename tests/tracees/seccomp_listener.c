/* A filter with a listener (NEW_LISTENER) for opens, as container managers install: it can hide them from a tracer. */
#include "tracee.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	MUST(sendmsg(socket, &message, 0));
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int fd;
	if (MUST(recvmsg(socket, &message, 0)) != 1 || !CMSG_FIRSTHDR(&message))
		_exit(77);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

static void child(int socket)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener == -1)
		unsupported("seccomp listener");
	send_fd(socket, listener);
	MUST(close(listener));
	int in = MUST(syscall(SYS_openat, AT_FDCWD, "in", O_RDONLY));
	int out = MUST(syscall(SYS_openat, AT_FDCWD, "out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(in, out);
	_exit(0);
}

int main(void)
{
	int ends[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		close(ends[0]);
		child(ends[1]);
	}
	close(ends[1]);
	int listener = receive_fd(ends[0]);
	for (int answered = 0; answered < 2; answered++) {
		struct seccomp_notif request = {0};
		struct seccomp_notif_resp answer = {0};
		MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
		answer.id = request.id;
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer));
	}
	reap(pid);
	return 0;
}
