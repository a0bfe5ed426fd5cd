"""The controller: gives Services of type LoadBalancer their addresses from pools."""
