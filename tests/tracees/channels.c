/* Data goes from the file `in`, read by a child, through a channel to its parent, which writes it to `out`. */
#include "tracee.h"
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void receive_into_out(int from)
{
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	copy_fd(from, out);
	MUST(close(out));
}

static void send_in(int to)
{
	copy_fd(MUST(open("in", O_RDONLY)), to);
	_exit(0);
}

static void by_pipe(void)
{
	int ends[2];
	MUST(pipe(ends));
	pid_t child = MUST(fork());
	if (child == 0)
		send_in(ends[1]);
	MUST(close(ends[1]));
	receive_into_out(ends[0]);
	reap(child);
}

static void by_popen(void)
{
	FILE *from = popen("cat in", "r");
	if (from == NULL)
		die("popen");
	receive_into_out(fileno(from));
	MUST(pclose(from));
}

static void by_fifo(void)
{
	MUST(mkfifo("fifo", 0600));
	pid_t child = MUST(fork());
	if (child == 0)
		send_in(MUST(open("fifo", O_WRONLY)));
	int from = MUST(open("fifo", O_RDONLY));
	receive_into_out(from);
	reap(child);
}

static void by_socketpair(void)
{
	int ends[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid_t child = MUST(fork());
	if (child == 0)
		send_in(ends[1]);
	MUST(close(ends[1]));
	receive_into_out(ends[0]);
	reap(child);
}

/* `early`: the client has written and closed its end before the server accepts. */
static void by_address(const struct sockaddr *address, socklen_t length, int early)
{
	struct sockaddr_storage found;
	socklen_t size = sizeof found;
	int server = MUST(socket(address->sa_family, SOCK_STREAM, 0));
	if (bind(server, address, length) == -1)
		unsupported("bind");
	MUST(listen(server, 1));
	MUST(getsockname(server, (struct sockaddr *)&found, &size));
	pid_t child = MUST(fork());
	if (child == 0) {
		int client = MUST(socket(address->sa_family, SOCK_STREAM, 0));
		MUST(connect(client, (struct sockaddr *)&found, size));
		send_in(client);
	}
	if (early)
		reap(child);
	receive_into_out(MUST(accept4(server, NULL, NULL, SOCK_CLOEXEC)));
	if (!early)
		reap(child);
}

static void by_path(int early)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	by_address((struct sockaddr *)&address, sizeof address, early);
}

static void by_abstract_name(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "shark-test-%d", getpid());
	by_address((struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length, 0);
}

static void by_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	by_address((struct sockaddr *)&address, sizeof address, 0);
}

static void by_tcp6(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	by_address((struct sockaddr *)&address, sizeof address, 0);
}

/* Both ends can be told before anything was accepted: the client of a queue does not wait. */
static void by_tcp_unblocked(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int server = MUST(socket(AF_INET, SOCK_STREAM, 0)), client = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	MUST(bind(server, (struct sockaddr *)&address, size));
	MUST(listen(server, 1));
	MUST(getsockname(server, (struct sockaddr *)&address, &size));
	address.sin_addr.s_addr = INADDR_ANY; /* "to myself" */
	if (connect(client, (struct sockaddr *)&address, size) == -1 && errno != EINPROGRESS)
		die("connect");
	pid_t child = MUST(fork());
	if (child == 0)
		send_in(client);
	MUST(close(client));
	receive_into_out(MUST(accept(server, NULL, NULL)));
	reap(child);
}

static void by_pty(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master == -1)
		unsupported("/dev/ptmx");
	MUST(grantpt(master));
	MUST(unlockpt(master));
	pid_t child = MUST(fork());
	if (child == 0) {
		int slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
		MUST(close(master));
		send_in(slave);
	}
	reap(child);
	char buffer[100];
	int out = MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	MUST(write(out, buffer, MUST(read(master, buffer, sizeof buffer))));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "pipe") == 0)
		by_pipe();
	else if (strcmp(how, "popen") == 0)
		by_popen();
	else if (strcmp(how, "fifo") == 0)
		by_fifo();
	else if (strcmp(how, "socketpair") == 0)
		by_socketpair();
	else if (strcmp(how, "unix") == 0)
		by_path(0);
	else if (strcmp(how, "unix-early") == 0)
		by_path(1);
	else if (strcmp(how, "abstract") == 0)
		by_abstract_name();
	else if (strcmp(how, "tcp") == 0)
		by_tcp();
	else if (strcmp(how, "tcp6") == 0)
		by_tcp6();
	else if (strcmp(how, "tcp-unblocked") == 0)
		by_tcp_unblocked();
	else if (strcmp(how, "pty") == 0)
		by_pty();
	else
		return 2;
	return 0;
}
