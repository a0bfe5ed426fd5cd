"""Run the fault proxy: `python -m netns_lab.faults --listen A --upstream B --control SOCKET`."""

from netns_lab.faults.main import main

main()
