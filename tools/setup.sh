#!/bin/sh
# Makes this machine ready for `make demo` and `make test`: system packages, a kernel to boot where the
# running one has no VRF, and .venv from the hash-pinned lock. Says what it installs and why; says
# nothing where everything is there. The running system's kernel and boot loader are never touched:
# the kernel to boot is unpacked into a cache, not installed.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atoll/kernel"
updated=""

fail() {
	echo "setup: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_ready() {
	command -v apt-get >/dev/null || fail "$1 is needed, and this is no Debian or Ubuntu: install it and run again"
	[ -n "$updated" ] || as_root apt-get -qq update || fail "apt-get update failed: $1 cannot be installed"
	updated=yes
}

# want REASON PACKAGE...
want() {
	reason=$1
	shift
	apt_ready "$*"
	echo "setup: installing $* ($reason)"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "$@" >/dev/null || fail "apt-get could not install $*"
}

has() {
	command -v "$1" >/dev/null
}

is_new_enough() {
	"$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
	for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
		if has "$candidate" && is_new_enough "$candidate"; then
			echo "$candidate"
			return
		fi
	done
	fail "Python 3.11 or newer is needed; this machine has $(python3 -V 2>&1 || echo none). Install one and run again, or name it: make PYTHON=/path/to/python3"
}

system_packages() {
	has git || want "the network repository" git
	has openssl || want "certificates of the tests' API server" openssl
	has gpg && has gpgconf || want "signed commits" gnupg
	has ssh-keygen || want "signed commits, repositories over ssh" openssh-client
	has nft && has ip && has modprobe && ldconfig -p | grep -q 'libnftables\.so\.1' ||
		want "the datapath" nftables libnftables1 iproute2 kmod
}

# Only for the kernel tests, which ask for them: `tools/setup.sh containers`.
container_packages() {
	has containerd && has ctr && has runc && has podman && has busybox && [ -x /usr/lib/cni/ptp ] ||
		want "the CNI plugin's tests: container runtimes, and the reference plugins to compare with" \
			containerd runc podman crun containernetworking-plugins busybox-static
}

machine_packages() {
	as_root "$python" tools/vm.py --check && return
	[ "$(uname -m)" = x86_64 ] ||
		fail "this kernel ($(uname -r)) has no VRF; only x86_64 can boot another one here: use a kernel of 6.1 or newer with CONFIG_NET_VRF"
	has qemu-system-x86_64 && has busybox && has file ||
		want "this kernel, $(uname -r), has no VRF: the kernel tests and the demo boot another one" \
			qemu-system-x86 busybox-static file
	"$python" tools/vm.py --check-boot || fetch_kernel
}

fetch_kernel() {
	apt_ready "a kernel with VRF"
	flavour=linux-image-generic
	[ -n "$(apt-cache search --names-only "^$flavour\$")" ] || flavour=linux-image-amd64
	image=$(apt-cache depends --important "$flavour" | sed -n 's/^ *Depends: \(linux-image-[0-9]\)/\1/p' | head -n 1)
	[ -n "$image" ] || fail "no kernel package found: install one with vrf.ko and 9p.ko by hand and run again"
	release=${image#linux-image-}
	echo "setup: unpacking $image into $cache (a kernel with VRF to boot; nothing is installed)"
	rm -rf "$cache/new"
	mkdir -p "$cache/new/packages"
	for package in "$image" "linux-modules-$release" "linux-modules-extra-$release"; do
		[ "$package" != "$image" ] && [ -z "$(apt-cache search --names-only "^$package\$")" ] && continue
		(cd "$cache/new/packages" && apt-get -qq -o APT::Sandbox::User=root download "$package") ||
			fail "apt-get could not download $package"
	done
	for package in "$cache"/new/packages/*.deb; do
		dpkg-deb -x "$package" "$cache/new"
	done
	rm -r "$cache/new/packages"
	depmod -b "$cache/new" "$release"
	rm -rf "${cache:?}/$release"
	mv "$cache/new" "$cache/$release"
}

python_packages() {
	wanted=$(cat requirements.lock pyproject.toml | sha256sum)
	[ "$(cat .venv/ready 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null && return
	if ! .venv/bin/python -c '' 2>/dev/null; then
		"$python" -c 'import ensurepip' 2>/dev/null || want "a virtual environment for Python" \
			"python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
		"$python" -m venv .venv
	fi
	echo "setup: installing $(grep -c '==' requirements.lock) Python packages into .venv (requirements.lock)"
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--requirement requirements.lock || fail "pip could not install requirements.lock"
	.venv/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
		--editable . || fail "pip could not install this checkout"
	echo "$wanted" >.venv/ready
}

system_packages
python=$(find_python)
python_packages
machine_packages
[ "${1:-}" != containers ] || container_packages
