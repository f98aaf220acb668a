"""What the controller answers over HTTP: metrics, health, and the webhooks of Git servers."""
