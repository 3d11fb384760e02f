"""Each query in a process that the kernel stops at its limits."""
