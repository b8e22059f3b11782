/* Four threads open files again and again, while others wait in calls that an interruption would end with EINTR and that
   Linux never restarts: epoll_wait, sigtimedwait, semop. None has a time limit: with one, no thread would be interrupted. */
#include "tracee.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>

enum { FILES = 16, ROUNDS = 200 };

static int woken[2];
static int semaphore;

static void *open_files(void *unused)
{
	for (int round = 0; round < ROUNDS; round++) {
		char name[16];
		snprintf(name, sizeof name, "in%d", round % FILES);
		MUST(close(MUST(open(name, O_RDONLY))));
	}
	return unused;
}

static void *wait_for_events(void *unused)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = MUST(epoll_create1(0));
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, woken[0], &event));
	if (MUST(epoll_wait(epoll, &event, 1, -1)) != 1)
		die("epoll_wait");
	return unused;
}

static void *wait_for_signal(void *unused)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (sigtimedwait(&set, NULL, NULL) != SIGUSR2)
		die("sigtimedwait");
	return unused;
}

static void *wait_for_semaphore(void *unused)
{
	struct sembuf down = {.sem_op = -1};
	MUST(semop(semaphore, &down, 1));
	return unused;
}

int main(void)
{
	void *(*work[])(void *) = {wait_for_events, wait_for_signal, wait_for_semaphore, open_files, open_files, open_files,
				   open_files};
	enum { THREADS = sizeof work / sizeof *work, WAITING = 3 };
	pthread_t threads[THREADS];
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	MUST(pipe(woken));
	semaphore = MUST(semget(IPC_PRIVATE, 1, 0600));
	for (int n = 0; n < THREADS; n++)
		if (pthread_create(&threads[n], NULL, work[n], NULL))
			die("pthread_create");
	for (int n = WAITING; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	tell(woken[1]);
	MUST(kill(getpid(), SIGUSR2));
	MUST(semop(semaphore, &(struct sembuf){.sem_op = 1}, 1));
	for (int n = 0; n < WAITING; n++)
		pthread_join(threads[n], NULL);
	MUST(semctl(semaphore, 0, IPC_RMID));
	return 0;
}
