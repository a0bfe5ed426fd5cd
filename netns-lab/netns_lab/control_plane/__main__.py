"""Run the embedded control plane: `python -m netns_lab.control_plane --listen HOST:PORT`."""

from netns_lab.control_plane.main import main

main()
