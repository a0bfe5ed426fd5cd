"""The lab: a cluster of network namespaces with an FRR router, and the failover drills."""
