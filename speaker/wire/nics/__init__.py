"""The node's NICs: which take part, opened and closed as they come and go."""
