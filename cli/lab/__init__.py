"""A small cluster on one machine: nodes, pods and an underlay as network namespaces, and real traffic."""
