"""Writing `IPAddressPool.status`: the I/O around `controller.status`."""
