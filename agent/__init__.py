"""On a node: plan and attachments to links, routes and nftables; answers the CNI plugin."""
