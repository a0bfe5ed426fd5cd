"""A proxy in front of the lab's API server that breaks it in the ways networks and servers do."""
