"""Taking part in an election: the I/O around `kube.lease`."""
