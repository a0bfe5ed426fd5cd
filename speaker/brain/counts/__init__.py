"""What the processes of this node have counted."""
