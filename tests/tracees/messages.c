/* A child reads the file `in` and sends it in a message to its parent, which writes it to `out`. The parent can receive
   before the child begins; the child's own socket or queue is the child's alone. */
#include "tracee.h"
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buffer[8192];

static long content(void)
{
	return MUST(read(MUST(open("in", O_RDONLY)), buffer, 100));
}

static void out(long length)
{
	int file = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	MUST(write(file, buffer, length));
}

/* Neither is connected: the child names the receiver in its call. */
static void by_datagram(const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_storage found;
	socklen_t size = sizeof found;
	int receiver = MUST(socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (bind(receiver, address, length) == -1)
		unsupported("bind");
	MUST(getsockname(receiver, (struct sockaddr *)&found, &size));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(close(receiver));
		int sender = MUST(socket(address->sa_family, SOCK_DGRAM, 0));
		MUST(sendto(sender, buffer, content(), 0, (struct sockaddr *)&found, size));
		_exit(0);
	}
	reap(child);
	out(MUST(recv(receiver, buffer, sizeof buffer, 0)));
}

static void by_udp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	by_datagram((struct sockaddr *)&address, sizeof address);
}

static void by_unix(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	by_datagram((struct sockaddr *)&address, sizeof address);
}

static void by_posix_queue(void)
{
	char name[40];
	snprintf(name, sizeof name, "/shark-test-%d", getpid());
	struct mq_attr sizes = {.mq_maxmsg = 1, .mq_msgsize = sizeof buffer};
	mqd_t queue = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, 0600, &sizes);
	if (queue == (mqd_t)-1)
		unsupported("mq_open");
	pid_t child = MUST(fork());
	if (child == 0) {
		mqd_t own = MUST(mq_open(name, O_WRONLY));
		MUST(mq_send(own, buffer, content(), 0));
		_exit(0);
	}
	reap(child);
	MUST(mq_unlink(name));
	out(MUST(mq_receive(queue, buffer, sizeof buffer, NULL)));
}

static void by_sysv_queue(void)
{
	struct {
		long type;
		char text[100];
	} message = {.type = 1};
	int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue == -1)
		unsupported("msgget");
	pid_t child = MUST(fork());
	if (child == 0) {
		long length = content();
		memcpy(message.text, buffer, length);
		MUST(msgsnd(queue, &message, length, 0));
		_exit(0);
	}
	reap(child);
	long length = MUST(msgrcv(queue, &message, sizeof message.text, 0, 0));
	MUST(msgctl(queue, IPC_RMID, NULL));
	memcpy(buffer, message.text, length);
	out(length);
}

/* The child's memory is read by its parent ... */
static void by_reading(void)
{
	int read_it[2], done[2];
	MUST(pipe2(read_it, O_CLOEXEC));
	MUST(pipe2(done, O_CLOEXEC));
	pid_t child = MUST(fork());
	if (child == 0) {
		buffer[100] = content();
		tell(read_it[1]);
		hear(done[0]);
		_exit(0);
	}
	struct iovec all = {buffer, sizeof buffer};
	hear(read_it[0]);
	if (process_vm_readv(child, &all, 1, &all, 1, 0) == -1)
		unsupported("process_vm_readv");
	tell(done[1]);
	reap(child);
	out(buffer[100]);
}

/* ... or the parent's is written by its child. */
static void by_writing(void)
{
	pid_t child = MUST(fork());
	if (child == 0) {
		buffer[100] = content();
		struct iovec all = {buffer, sizeof buffer};
		if (process_vm_writev(getppid(), &all, 1, &all, 1, 0) == -1)
			unsupported("process_vm_writev");
		_exit(0);
	}
	reap(child);
	out(buffer[100]);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "udp") == 0)
		by_udp();
	else if (strcmp(how, "unix") == 0)
		by_unix();
	else if (strcmp(how, "posix-queue") == 0)
		by_posix_queue();
	else if (strcmp(how, "sysv-queue") == 0)
		by_sysv_queue();
	else if (strcmp(how, "vm-read") == 0)
		by_reading();
	else if (strcmp(how, "vm-write") == 0)
		by_writing();
	else
		return 2;
	return 0;
}
