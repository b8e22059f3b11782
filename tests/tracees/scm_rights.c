/* A descriptor that comes over a socket. Without argument from a child, which opened it; with "outside" on descriptor 3
   from someone outside of the run. It is closed again long before the exit. */
#include "tracee.h"
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
	MUST(recvmsg(socket, &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

int main(int argc, char **argv)
{
	int ends[2] = {3, -1}, in, out;
	pid_t child = 0;
	if (argc < 2 || strcmp(argv[1], "outside") != 0) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		child = MUST(fork());
		if (child == 0) {
			send_fd(ends[1], MUST(open("in", O_RDONLY)));
			_exit(0);
		}
	}
	in = receive_fd(ends[0]);
	out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(in, out);
	MUST(close(in));
	MUST(close(out));
	if (child)
		reap(child);
	put("later", "written after the descriptor was closed");
	return 0;
}
