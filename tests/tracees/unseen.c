/* What hands data on, or writes files, without a call that shark follows: each is to be told as a gap.
   By: raw, icmp, packet, usersock, route (sockets of these kinds are made), fanotify, fanotify-handles, core (it ends with one). */
#include "tracee.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <netinet/in.h>

static void make(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	if (fd == -1)
		unsupported("socket");
	MUST(close(fd));
}

static void dump_core(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	if (setrlimit(RLIMIT_CORE, &all) == -1)
		unsupported("setrlimit");
	pid_t child = MUST(fork());
	if (child == 0)
		abort();
	int status;
	MUST(waitpid(child, &status, 0));
	if (!WCOREDUMP(status))
		unsupported("no core");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	copy("in", "out");
	if (strcmp(what, "raw") == 0)
		make(AF_INET, SOCK_RAW, IPPROTO_UDP);
	else if (strcmp(what, "raw6") == 0)
		make(AF_INET6, SOCK_RAW, 253);
	else if (strcmp(what, "packet") == 0)
		make(AF_PACKET, SOCK_RAW, 0);
	else if (strcmp(what, "packet-datagrams") == 0)
		make(AF_PACKET, SOCK_DGRAM, 0);
	else if (strcmp(what, "usersock") == 0)
		make(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
	else if (strcmp(what, "usersock-datagrams") == 0)
		make(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK);
	else if (strcmp(what, "icmp") == 0)
		make(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	else if (strcmp(what, "route") == 0)
		make(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	else if (strcmp(what, "fanotify") == 0) {
		if (syscall(SYS_fanotify_init, 0, O_RDONLY) == -1)
			unsupported("fanotify_init");
	} else if (strcmp(what, "fanotify-handles") == 0) {
		if (syscall(SYS_fanotify_init, 0xE00, O_RDONLY) == -1) /* FAN_REPORT_FID, _DIR_FID, _NAME */
			unsupported("fanotify_init");
	} else if (strcmp(what, "core") == 0)
		dump_core();
	else
		return 64;
	return 0;
}
