"""Reading the world: digests, package ownership, git, host, container, scheduler."""
