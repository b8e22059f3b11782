/* A child reads the file `in` and leaves its first bytes in memory that its parent has, too, and writes to `out`. */
#include "tracee.h"
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>

enum { SIZE = 4096 };

static char *map(int fd)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void fill(char *memory)
{
	MUST(read(MUST(open("in", O_RDONLY)), memory, 100));
	_exit(0);
}

static void out_of(const char *memory)
{
	put("out", memory);
}

static void by_anonymous(void)
{
	char *memory = map(-1);
	pid_t child = MUST(fork());
	if (child == 0)
		fill(memory);
	reap(child);
	out_of(memory);
}

/* Each maps it for itself, and closes it. */
static void by_shm(void)
{
	char name[40];
	snprintf(name, sizeof name, "/shark-test-%d", getpid());
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd == -1)
		unsupported("shm_open");
	MUST(ftruncate(fd, SIZE));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(close(fd));
		int own = MUST(shm_open(name, O_RDWR, 0));
		char *memory = map(own);
		MUST(close(own));
		fill(memory);
	}
	char *memory = map(fd);
	MUST(close(fd));
	reap(child);
	MUST(shm_unlink(name));
	out_of(memory);
}

static void by_sysv(void)
{
	int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
	if (id == -1)
		unsupported("shmget");
	pid_t child = MUST(fork());
	if (child == 0) {
		char *memory = shmat(id, NULL, 0);
		if (memory == (char *)-1)
			die("shmat");
		fill(memory);
	}
	char *memory = shmat(id, NULL, 0);
	MUST(shmctl(id, IPC_RMID, NULL));
	if (memory == (char *)-1)
		die("shmat");
	reap(child);
	out_of(memory);
}

/* The child makes it and passes it over a socket. */
static void by_memfd(void)
{
	int ends[2], fd;
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid_t child = MUST(fork());
	if (child == 0) {
		fd = MUST(memfd_create("passed", 0));
		MUST(ftruncate(fd, SIZE));
		char *memory = map(fd);
		*header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(header), &fd, sizeof fd);
		MUST(sendmsg(ends[1], &message, 0));
		fill(memory);
	}
	MUST(recvmsg(ends[0], &message, 0));
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	char *memory = map(fd);
	reap(child);
	out_of(memory);
}

/* A number that processes wait for: nothing of the input can go through it. */
static void by_semaphore(void)
{
	char name[40];
	snprintf(name, sizeof name, "/shark-test-%d", getpid());
	sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	if (semaphore == SEM_FAILED)
		unsupported("sem_open");
	MUST(sem_unlink(name));
	pid_t child = MUST(fork());
	if (child == 0) {
		slurp("in");
		MUST(sem_post(semaphore));
		_exit(0);
	}
	MUST(sem_wait(semaphore));
	reap(child);
	put("out", "an output\n");
}

/* A file is written through a mapping after its descriptor was closed, from what was read only then. */
static void by_mapped_file(void)
{
	int fd = MUST(open("out", O_RDWR | O_CREAT | O_TRUNC, 0644));
	MUST(ftruncate(fd, 10));
	char *memory = map(fd);
	MUST(close(fd));
	MUST(read(MUST(open("in", O_RDONLY)), memory, 10));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	if (strcmp(how, "anonymous") == 0)
		by_anonymous();
	else if (strcmp(how, "shm") == 0)
		by_shm();
	else if (strcmp(how, "sysv") == 0)
		by_sysv();
	else if (strcmp(how, "memfd") == 0)
		by_memfd();
	else if (strcmp(how, "semaphore") == 0)
		by_semaphore();
	else if (strcmp(how, "file") == 0)
		by_mapped_file();
	else
		return 2;
	return 0;
}
