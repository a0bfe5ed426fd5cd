"""Whether any other host is heard on a NIC at all."""
