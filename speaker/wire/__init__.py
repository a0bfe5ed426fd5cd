"""The process that talks to the segment: hello, ownership, ARP, NDP and BFD frames."""
