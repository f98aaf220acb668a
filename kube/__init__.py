"""The Kubernetes API as the controller and the agents use it: objects, list-watch, Lease, nothing of Atoll."""
