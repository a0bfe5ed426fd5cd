"""The hello between speakers: its packet, the neighbours it shows and their tables. Pure."""
