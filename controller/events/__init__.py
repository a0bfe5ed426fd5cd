"""Sending Events: the I/O around `controller.news`."""
