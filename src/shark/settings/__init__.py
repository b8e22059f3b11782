"""Settings: what a project, a user, the environment and the command line say about runs (`loading.load`)."""
