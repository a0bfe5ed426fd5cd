"""One NIC of the wire process: its sockets and the driver that joins them to the cores."""
