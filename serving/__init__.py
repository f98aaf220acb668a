"""What a program on Kubernetes answers over HTTP: the kubelet's probes, Prometheus, and what it adds."""
