"""BFD in the wire process: its UDP sockets and the driver of the session table."""
