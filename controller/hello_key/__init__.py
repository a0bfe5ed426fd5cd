"""Creating the key that speakers sign their hellos with."""
