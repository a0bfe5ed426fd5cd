"""The failover drills: faults, measurements, budgets and reports."""
