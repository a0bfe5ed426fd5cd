"""Who owns an address on a segment, and the ARP and NDP that say so. Pure."""
