"""The commits that the demo makes: the cluster's own ranges, two routers that agree, and a broken file."""

from __future__ import annotations

from typing import Final

_ROUTER: Final = """\
# yaml-language-server: $schema=../../.schemas/virtualnetworkrouter.json
#
# {why}
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata:
  name: checkout
  namespace: {own}
  labels:
    router: checkout
spec:
  type: mesh
  virtualNetworkSelector:
    matchLabels:
      role: spoke
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector:
          matchLabels:
            router: checkout
        namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {other}
"""

CHECKOUT: Final = {
    "networks/shop/checkout.yaml": _ROUTER.format(
        own="shop", other="payments", why="The shop asks for payments, and answers them."
    ),
    "networks/payments/checkout.yaml": _ROUTER.format(
        own="payments", other="shop", why="Payments agree: without this file the shop's request would wait."
    ),
}
"""Two spokes that could not talk; each side's router imports the other's."""

BROKEN: Final = {
    "networks/billing/network.yaml": """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata:
  name: invoices
  namespace: billing
spec:
  subnets:
    - 10.50.0.0/33
    - fd00:10:50::/64
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata:
  name: archive
  namespace: billing
spec:
  subnets:
    - fd00:10:51::/64
  egres: snat
"""
}
"""A prefix length that does not exist, and a misspelt field."""
