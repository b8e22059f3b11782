/* connect(2) to a port of the loopback interface that is given, where somebody outside listens. */
#include "tracee.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
	char byte;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int connection = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(connection, (struct sockaddr *)&address, sizeof address));
	MUST(read(connection, &byte, 1));
	put("out", "downloaded\n");
	return 0;
}
