/* While one thread opens "in", another puts "other" in the place of the new descriptor, or closes it, as fast as it can. */
#include "tracee.h"
#include <pthread.h>
#include <stdatomic.h>

static int place, other, by_closing;
static atomic_int done;

static void *disturb(void *unused)
{
	while (!atomic_load(&done))
		if (by_closing)
			close(place);
		else
			dup2(other, place);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	by_closing = argc > 1 && strcmp(argv[1], "close") == 0;
	other = MUST(open("other", O_RDONLY));
	place = MUST(open("/dev/null", O_RDONLY));
	MUST(close(place));
	if (pthread_create(&thread, NULL, disturb, NULL))
		die("pthread_create");
	for (int n = 0; n < 200; n++)
		close(MUST(open("in", O_RDONLY)));
	atomic_store(&done, 1);
	pthread_join(thread, NULL);
	put("out", "an output\n");
	return 0;
}
