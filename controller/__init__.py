"""Watches Git and the cluster, compiles, publishes plans and statuses."""
