/* mixer HOW IN OUT: the content of IN comes into OUT, by way of a second process or into the middle of what is there. */
#include "tracee.h"
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char buffer[65536];

static size_t load(const char *path)
{
	int fd = open(path, O_RDONLY);
	MUST(fd);
	ssize_t count = read(fd, buffer, sizeof buffer);
	MUST(count);
	MUST(close(fd));
	return (size_t)count;
}

static void store(const char *path, int flags, size_t count)
{
	int fd = open(path, flags | O_CREAT, 0644);
	MUST(fd);
	MUST(write(fd, buffer, count));
	MUST(close(fd));
}

static size_t drain(int fd)
{
	size_t total = 0;
	ssize_t count;
	while ((count = read(fd, buffer + total, sizeof buffer - total)) > 0)
		total += (size_t)count;
	MUST(count);
	return total;
}

static void wait_for(pid_t child)
{
	int status;
	MUST(waitpid(child, &status, 0));
	if (status)
		exit(1);
}

/* The ends of a connection: a pair, or two sockets that meet at an address. */
static void meet(const char *how, int *one, int *other)
{
	int ends[2];
	if (!strcmp(how, "pair")) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		*one = ends[0], *other = ends[1];
		return;
	}
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un unixes = {.sun_family = AF_UNIX};
	int tcp = !strcmp(how, "tcp");
	struct sockaddr *address = tcp ? (struct sockaddr *)&inet : (struct sockaddr *)&unixes;
	socklen_t length = tcp ? sizeof inet : sizeof(sa_family_t); /* without a name the kernel gives an abstract one */
	int listener = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	MUST(listener);
	MUST(bind(listener, address, length));
	length = tcp ? sizeof inet : sizeof unixes;
	MUST(getsockname(listener, address, &length));
	MUST(listen(listener, 1));
	*one = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	MUST(*one);
	MUST(connect(*one, address, length));
	*other = accept(listener, NULL, NULL);
	MUST(*other);
	MUST(close(listener));
}

static void connected(const char *how, const char *in, const char *out)
{
	int one, other;
	meet(how, &one, &other);
	pid_t child = fork();
	MUST(child);
	if (!child) {
		MUST(close(other));
		size_t count = load(in);
		MUST(write(one, buffer, count));
		_exit(0);
	}
	MUST(close(one));
	size_t count = drain(other);
	wait_for(child);
	store(out, O_WRONLY | O_TRUNC, count);
}

static void shared(const char *in, const char *out)
{
	char *memory = mmap(NULL, sizeof buffer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		MUST(-1);
	pid_t child = fork();
	MUST(child);
	if (!child) {
		*(size_t *)memory = load(in);
		memcpy(memory + sizeof(size_t), buffer, *(size_t *)memory);
		_exit(0);
	}
	wait_for(child);
	memcpy(buffer, memory + sizeof(size_t), *(size_t *)memory);
	store(out, O_WRONLY | O_TRUNC, *(size_t *)memory);
}

int main(int argc, char **argv)
{
	(void)argc;
	const char *how = argv[1], *in = argv[2], *out = argv[3];
	if (!strcmp(how, "append"))
		store(out, O_WRONLY | O_APPEND, load(in));
	else if (!strcmp(how, "end")) { /* in place, without O_APPEND */
		size_t count = load(in);
		int fd = open(out, O_RDWR | O_CREAT, 0644);
		MUST(fd);
		MUST(lseek(fd, 0, SEEK_END));
		MUST(write(fd, buffer, count));
	} else if (!strcmp(how, "memory"))
		shared(in, out);
	else
		connected(how, in, out);
	return 0;
}
