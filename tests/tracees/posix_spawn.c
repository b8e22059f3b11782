/* posix_spawn with file actions: the child's opens happen between clone and exec, in shared memory. */
#include "tracee.h"
#include <spawn.h>

int main(void)
{
	char *argv[] = {"cat", NULL}, *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	pid_t child;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "in", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (posix_spawn(&child, "/bin/cat", &actions, NULL, argv, environment))
		die("posix_spawn");
	reap(child);
	return 0;
}
