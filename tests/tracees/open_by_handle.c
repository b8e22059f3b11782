/* open_by_handle_at: no path in the call at all. */
#include "tracee.h"

int main(void)
{
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} name = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;
	if (name_to_handle_at(AT_FDCWD, "in", &name.handle, &mount_id, 0) == -1)
		unsupported("name_to_handle_at");
	int directory = MUST(open(".", O_RDONLY | O_DIRECTORY));
	int in = open_by_handle_at(directory, &name.handle, O_RDONLY);
	if (in == -1 && errno == EPERM)
		unsupported("open_by_handle_at");
	MUST(in);
	copy_fd(in, MUST(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
	return 0;
}
