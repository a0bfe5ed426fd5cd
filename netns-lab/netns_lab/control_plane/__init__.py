"""The lab's control planes: the embedded API server with its controllers, and the real one."""
