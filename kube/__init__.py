"""What Kubernetes gives both daemons: objects, snapshots, watches, leases, and nothing else."""
