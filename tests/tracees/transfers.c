/* A thread is in the middle of the call that the first argument names, of which a tracer's interruption would leave a part,
   or whose time it would begin anew, while the main thread's opens make the process hot. Then the rest is given to it.
   Says how the call ended. With `ready` for a second argument nothing is opened, and standard input tells when to go on. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include "tracee.h"

enum { SIZE = 1 << 20, PART = 1000, LIMIT = 1500 };

static const char *kind;
static char block[SIZE], sink[SIZE];
static int ends[2], started[2], file;
static volatile int ended;

static int is(const char *name) { return !strcmp(kind, name); }

static long transferred(void)
{
	struct iovec two[2] = {{block, SIZE / 2}, {block + SIZE / 2, SIZE / 2}};
	struct msghdr message = {.msg_iov = two, .msg_iovlen = 2};
	struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = two, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = two, .msg_iovlen = 1}}};
	struct timeval minute = {60, 0};
	struct timespec begin, end;
	struct epoll_event event;

	if (is("write"))
		return write(ends[1], block, SIZE);
	if (is("writev"))
		return writev(ends[1], two, 2);
	if (is("send"))
		return send(ends[1], block, SIZE, 0);
	if (is("sendmsg"))
		return sendmsg(ends[1], &message, 0);
	if (is("sendfile"))
		return sendfile(ends[1], file, NULL, SIZE);
	if (is("limit")) { /* the buffer is full */
		MUST(setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute));
		return send(ends[1], block, 1, 0) == 1 ? SIZE : -1;
	}
	if (is("recv"))
		return recv(ends[1], block, SIZE, MSG_WAITALL);
	if (is("recvmmsg"))
		return recvmmsg(ends[1], many, 2, 0, NULL) == 2 ? SIZE : -1;
	/* epoll_wait */
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (epoll_wait(MUST(epoll_create1(0)), &event, 1, LIMIT) != 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	long ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
	return ms < LIMIT + LIMIT / 3 ? SIZE : ms; /* half of it has gone by when files are opened */
}

static void *transfer(void *unused)
{
	(void)unused;
	MUST(dprintf(started[1], "%d ", gettid()));
	long n = transferred();
	printf("%s: %ld\n", kind, n);
	ended = 1;
	return NULL;
}

/* Until the thread sleeps in its call, and no more has been transferred for a moment. */
static void await(void)
{
	char name[64], tid[16] = "", state[200], before[200];
	MUST(read(started[0], tid, sizeof tid - 1));
	snprintf(name, sizeof name, "/proc/self/task/%d/syscall", atoi(tid));
	int fd = MUST(open(name, O_RDONLY));
	for (int same = 0; same < 20 && !ended;) {
		ssize_t n = MUST(pread(fd, state, sizeof state - 1, 0));
		state[n] = 0;
		same = !strncmp(state, "running", 7) || !strncmp(state, "202 ", 4) || strcmp(state, before) ? 0 : same + 1;
		strcpy(before, state);
		usleep(1000);
	}
	MUST(close(fd));
}

static void opens(int times)
{
	for (int n = 0; n < times; n++)
		MUST(close(MUST(open(n % 2 ? "in" : "in2", O_RDONLY))));
}

static void give_the_rest(void)
{
	if (is("recv")) {
		for (long sent = PART; sent < SIZE;)
			sent += MUST(write(ends[0], sink, SIZE - sent));
	} else if (is("recvmmsg")) {
		MUST(write(ends[0], sink, PART));
	} else if (!is("epoll_wait")) {
		while (!ended)
			if (read(ends[0], sink, SIZE) < 0)
				usleep(1000);
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int meanwhile = argc > 2;
	kind = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (is("write") || is("writev"))
		MUST(pipe(ends));
	else
		MUST(socketpair(AF_UNIX, is("recvmmsg") ? SOCK_DGRAM : SOCK_STREAM, 0, ends));
	MUST(pipe(started));
	MUST(ftruncate(file = MUST(memfd_create("file", 0)), SIZE));
	if (is("limit"))
		while (send(ends[1], block, PART, MSG_DONTWAIT) > 0)
			;
	if (pthread_create(&thread, NULL, transfer, NULL))
		die("pthread_create");
	if (is("recv") || is("recvmmsg"))
		MUST(write(ends[0], sink, PART));
	else
		MUST(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	await();
	if (is("epoll_wait"))
		usleep(LIMIT / 2 * 1000);
	if (meanwhile) {
		puts("ready");
		hear(0);
	} else {
		opens(100);
	}
	give_the_rest();
	if (!meanwhile)
		opens(30);
	pthread_join(thread, NULL);
	if (!meanwhile)
		opens(500);
	return 0;
}
