# Everything that a contributor does. Each target installs what it needs (tools/setup.sh).

PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin
export PATH
READ_ONLY = -p no:cacheprovider -p no:hypothesispytest -p no:xdist
VM = .venv/bin/python tools/vm.py
KERNEL_TESTS = tests/kernel tests/contracts/test_kernel.py tests/agent/test_preflight.py

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster test lint test-pure test-cni test-cluster test-kernel fmt golden bench lock clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name does; do \
		printf '  make %-12s %s\n' "$$name" "$$does"; done

setup:  ## install what is missing: packages, .venv, a kernel to boot where this one has no VRF
	@tools/setup.sh

demo: setup  ## show the product at work: isolated networks on two nodes, under 4 minutes
	@$(VM) --timeout 600 -- .venv/bin/atoll demo

demo-cluster: setup  ## show it on a Kubernetes API server: a commit, the controller, two agents, packets
	binaries=$$(tools/control_plane.sh) && ATOLL_CONTROL_PLANE="$$binaries" atoll demo --cluster

test: lint test-pure test-cni test-cluster test-kernel  ## check everything: style, types, layers, every tier of tests

lint: setup  ## check style, types and layers
	ruff check
	ruff format --check
	mypy
	lint-imports
	tools/cni_check.sh lint

test-pure: setup  ## test the tiers that need neither VRF nor an API server
	pytest --numprocesses 2 --ignore tests/kernel --ignore tests/cluster

test-cni: setup  ## test the CNI plugin's binary by its protocol
	tools/cni_check.sh test

test-cluster: setup  ## test on a real kube-apiserver and etcd, built once in 7 minutes where there are none
	binaries=$$(tools/control_plane.sh) && ATOLL_CONTROL_PLANE="$$binaries" \
		pytest --numprocesses 2 --dist loadfile tests/cluster

test-kernel: setup  ## test real packets, in one boot of a virtual machine where this kernel has no VRF
	pytest --collect-only --quiet $(KERNEL_TESTS) >/dev/null
	tools/setup.sh containers
	plugin=$$(tools/cni_plugin.sh) && kubelet=$$(tools/kubelet.sh) && binaries=$$(tools/control_plane.sh) && \
		ATOLL_CNI="$$plugin" ATOLL_KUBELET="$$kubelet" ATOLL_CONTROL_PLANE="$$binaries" \
		python -m cli.demonstration.beside \
		$(VM) --reach-host --timeout 3000 -- .venv/bin/pytest $(READ_ONLY) --verbose -m kernel $(KERNEL_TESTS)

fmt: setup  ## format the code, mend what can be mended
	ruff format
	ruff check --fix

golden: setup  ## rewrite golden/*/expected and fail once, for the difference to be reviewed
	pytest tests/golden --update-golden

bench: setup  ## measure: compile times, memory, one changed element, a pod's attachment, a cluster
	for benchmark in compile apply; do python -m benchmarks.$$benchmark || exit 1; done
	tools/setup.sh containers
	ATOLL_CNI="$$(tools/cni_plugin.sh)" python -m benchmarks.cni --bridges
	binaries=$$(tools/control_plane.sh) && ATOLL_CONTROL_PLANE="$$binaries" python -m benchmarks.cluster

lock: setup  ## renew requirements.lock
	tools/lock.sh

clean:  ## remove everything that was made here
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
