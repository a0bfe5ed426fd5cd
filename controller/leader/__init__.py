"""What only the leader may do: writes that end before the Lease can be another's."""
