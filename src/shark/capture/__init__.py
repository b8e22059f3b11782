"""Kernel to events: ptrace, the seccomp filter, the syscall table, the supervisor loop, the launcher, the journal."""
