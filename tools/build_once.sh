# Sourced, in a folder with a go.mod that names a version of Kubernetes: programs built from Go modules once,
# into a cache that outlives the checkout. Who sources it sets `checkout`, `subject` (with it messages begin),
# `cache`, `effort` (what a build makes, and how long it takes) and perhaps `remedy` (what to do without Go),
# and defines `compile`, which puts the programs into the folder that it is given. Then `print_built FILE...`
# prints where they are: each state of go.mod, go.sum and the files has a folder of its own.

say() {
	echo "$subject: $*" >&2
}

fail() {
	say "$@"
	exit 1
}

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
numbers=${version#v}
stamp=k8s.io/component-base/version
names="-X $stamp.gitVersion=$version -X $stamp.gitMajor=${numbers%%.*} -X $stamp.gitMinor=$(echo "$numbers" | cut -d. -f2)"
flags="-s -w $names"

build() {
	go=$("$checkout/tools/go.sh") ||
		fail "there is no Go to build with: install Go 1.21 or newer (https://go.dev/doc/install)${remedy:-}"
	# Modules of a Go that nobody here works with need not stay.
	if ! command -v go >/dev/null; then
		GOMODCACHE=$cache/build/modules
		export GOMODCACHE
	fi
	say "building $effort, once, into $cache"
	# Its own cache of objects is removed in the end; a build that was interrupted goes on from it.
	export GOCACHE="$cache/build/objects" GOTOOLCHAIN=auto GOFLAGS=-modcacherw GOWORK=off CGO_ENABLED=0
	"$go" mod download >&2 || fail "the Go modules could not be downloaded: look at the message above and run again"
	rm -rf "$cache/build/new"
	mkdir -p "$cache/build/new"
	compile "$cache/build/new" || fail "the build failed: look at the messages above and run again"
	mv "$cache/build/new" "$cache/$key"
	rm -rf "$cache/build"
}

print_built() {
	key=$({ cat go.mod go.sum "$@" && echo "-trimpath $flags"; } | sha256sum | cut -c1-16)
	if ! [ -d "$cache/$key" ]; then
		mkdir -p "$cache/build"
		exec 9>"$cache/lock"
		flock 9 # whoever builds at the same time
		[ -d "$cache/$key" ] || build
	fi
	echo "$cache/$key"
}
