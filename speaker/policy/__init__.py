"""From the cluster's state to what this node may announce, and why not. Pure."""
