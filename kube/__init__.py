"""The Kubernetes API as controller and agents use it: objects, list-watch, Lease; nothing of networks."""
