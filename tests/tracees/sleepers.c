/* Threads that wait in calls which a tracer's interruption can end with EINTR, while another thread's opens make the
   process hot: each call must go on until what it waits for comes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "tracee.h"

enum { SLEEPERS = 10 };

static int ends[SLEEPERS][2];
static int ready[2], sems, queue, epoll;
static sem_t wakes;

static void check(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		_exit(3);
	}
}

static void *sleeper(void *which)
{
	int n = (int)(intptr_t)which, fd = ends[n][0];
	struct timespec late = {time(NULL) + 60, 0}, minute = {60, 0};
	tell(ready[1]);
	if (n == 0) {
		struct epoll_event event;
		check(epoll_wait(epoll, &event, 1, 60000) == 1, "epoll_wait");
	} else if (n == 1) {
		struct pollfd one = {fd, POLLIN, 0};
		check(poll(&one, 1, 60000) == 1, "poll");
	} else if (n == 2) {
		fd_set set;
		struct timeval seconds = {60, 0};
		FD_ZERO(&set);
		FD_SET(fd, &set);
		check(select(fd + 1, &set, NULL, NULL, &seconds) == 1, "select");
	} else if (n == 3) {
		char byte;
		struct timeval seconds = {60, 0};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &seconds, sizeof seconds);
		check(recv(fd, &byte, 1, 0) == 1, "recv");
	} else if (n == 4) {
		struct sembuf down = {0, -1, 0};
		check(semtimedop(sems, &down, 1, &minute) == 0, "semtimedop");
	} else if (n == 5) {
		sigset_t set;
		siginfo_t info;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		check(sigtimedwait(&set, &info, &minute) == SIGUSR1, "sigtimedwait");
	} else if (n == 6) {
		struct {
			long type;
			char byte;
		} message;
		check(msgrcv(queue, &message, 1, 0, 0) == 1, "msgrcv");
	} else if (n == 7) {
		check(sem_timedwait(&wakes, &late) == 0, "sem_timedwait");
	} else if (n == 8) {
		char byte;
		check(read(fd, &byte, 1) == 1, "read");
	} else {
		struct timespec half = {1, 500000000}, left;
		struct timespec begin, end;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		check(nanosleep(&half, &left) == 0, "nanosleep");
		clock_gettime(CLOCK_MONOTONIC, &end);
		check((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 1499, "slept");
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[SLEEPERS];
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	MUST(pipe(ready));
	for (int n = 0; n < SLEEPERS; n++)
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[n]));
	epoll = MUST(epoll_create1(0));
	struct epoll_event event = {EPOLLIN, {0}};
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0][0], &event));
	sems = MUST(semget(IPC_PRIVATE, 1, 0600));
	queue = MUST(msgget(IPC_PRIVATE, 0600));
	sem_init(&wakes, 0, 0);
	for (int n = 0; n < SLEEPERS; n++)
		pthread_create(&threads[n], NULL, sleeper, (void *)(intptr_t)n);
	for (int n = 0; n < SLEEPERS; n++)
		hear(ready[0]);
	usleep(100000); /* that they sleep cannot be heard of */
	for (int i = 0; i < 100; i++)
		slurp(i % 2 ? "in" : "in2");
	for (int i = 0; i < 100; i++) {
		FILE *file = fopen("in3", "r"); /* another place */
		if (!file)
			return 4;
		fclose(file);
	}
	struct {
		long type;
		char byte;
	} message = {1, 'x'};
	struct sembuf up = {0, 1, 0};
	for (int n = 0; n < SLEEPERS; n++)
		tell(ends[n][1]);
	MUST(semop(sems, &up, 1));
	MUST(msgsnd(queue, &message, 1, 0));
	sem_post(&wakes);
	pthread_kill(threads[5], SIGUSR1);
	for (int n = 0; n < SLEEPERS; n++)
		pthread_join(threads[n], NULL);
	MUST(semctl(sems, 0, IPC_RMID));
	MUST(msgctl(queue, IPC_RMID, NULL));
	puts("fine");
	return 0;
}
