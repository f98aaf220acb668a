"""Declarations, inventory and allocations in; node plans, reachability and problems out. No I/O."""
