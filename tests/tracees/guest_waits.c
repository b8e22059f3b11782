/* Waits in the call that the argument names, says how that ended, then copies `in` to `out`. A second thread wakes the
   first as soon as standard input has a byte. Nothing but our own interruption could end the wait early. */
#include "tracee.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static const char *kind;
static int pipes[2], ends[2], sem, server, word;
static pthread_t first;
static struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0guest"};
static socklen_t length;

static void on_usr1(int number) { (void)number; }

static void *wake(void *unused)
{
	struct sembuf up = {0, 1, 0};
	(void)unused;
	hear(0);
	if (!strcmp(kind, "semop") || !strcmp(kind, "semtimedop"))
		MUST(semop(sem, &up, 1));
	else if (!strcmp(kind, "sigwait") || !strcmp(kind, "pause"))
		pthread_kill(first, SIGUSR1);
	else if (!strcmp(kind, "accept"))
		MUST(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&address, length));
	else if (!strcmp(kind, "futex")) {
		word = 1;
		MUST(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0));
	} else {
		tell(ends[1]);
		tell(pipes[1]);
	}
	return NULL;
}

static long waited(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct timespec minute = {60, 0}, moment = {0, 200000000};
	struct sembuf down = {0, -1, 0};
	struct pollfd polled = {pipes[0], POLLIN, 0};
	char byte;
	sigset_t usr1;
	fd_set set;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	FD_ZERO(&set);
	FD_SET(pipes[0], &set);
	if (!strcmp(kind, "read"))
		return read(pipes[0], &byte, 1);
	if (!strcmp(kind, "poll"))
		return poll(&polled, 1, 60000);
	if (!strcmp(kind, "select"))
		return select(pipes[0] + 1, &set, NULL, NULL, NULL);
	if (!strcmp(kind, "epoll_wait")) {
		int epoll = MUST(epoll_create1(0));
		MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event));
		return epoll_wait(epoll, &event, 1, -1);
	}
	if (!strcmp(kind, "recv"))
		return recv(ends[0], &byte, 1, 0);
	if (!strcmp(kind, "accept"))
		return accept(server, NULL, NULL);
	if (!strcmp(kind, "semop"))
		return semop(sem, &down, 1);
	if (!strcmp(kind, "semtimedop"))
		return semtimedop(sem, &down, 1, &minute);
	if (!strcmp(kind, "sigwait"))
		return sigtimedwait(&usr1, NULL, &minute);
	if (!strcmp(kind, "futex")) { /* EAGAIN: begun again only when the word had changed already */
		long result = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &minute, NULL, 0);
		return result == -1 && errno == EAGAIN ? 0 : result;
	}
	if (!strcmp(kind, "pause")) {
		pause();
		return 0; /* it always ends with EINTR, by the handler */
	}
	if (!strcmp(kind, "nanosleep"))
		return nanosleep(&moment, NULL);
	return -1;
}

int main(int argc, char **argv)
{
	struct timeval minute = {60, 0};
	pthread_t second;
	sigset_t usr1;

	kind = argc > 1 ? argv[1] : "";
	first = pthread_self();
	MUST(pipe(pipes));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute));
	sem = MUST(semget(IPC_PRIVATE, 1, 0600));
	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "guest-%d", (int)getpid());
	length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1);
	server = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(server, (struct sockaddr *)&address, length));
	MUST(listen(server, 1));
	MUST(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute));
	signal(SIGUSR1, on_usr1);
	if (strcmp(kind, "pause")) {
		sigemptyset(&usr1);
		sigaddset(&usr1, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	}
	MUST(pthread_create(&second, NULL, wake, NULL));
	MUST(write(1, "ready\n", 6));
	if (waited() == -1)
		printf("%s: %s\n", kind, strerror(errno));
	else
		printf("%s: woken\n", kind);
	pthread_join(second, NULL);
	semctl(sem, 0, IPC_RMID);
	copy("in", "out");
	return 0;
}
