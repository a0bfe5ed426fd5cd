"""The speaker: makes the network send an address's traffic to a fit node."""
