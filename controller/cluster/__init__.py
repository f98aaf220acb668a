"""The controller on a cluster: custom resources in, custom resources out."""
