#!/bin/sh
# Checks the CNI plugin: `lint` its style and with static analysis, `test` by its tests. Both are quiet about
# what is right.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout/cni"
go=$("$checkout/tools/go.sh")
export CGO_ENABLED=0 GOTOOLCHAIN=auto GOWORK=off GOFLAGS=-modcacherw

case ${1:-} in
lint)
	unformatted=$("$("$go" env GOROOT)/bin/gofmt" -l .)
	if [ -n "$unformatted" ]; then
		echo "cni: not as gofmt writes it, run gofmt -w: $unformatted" >&2
		exit 1
	fi
	"$go" mod tidy -diff
	"$go" vet ./...
	"$go" tool -modfile="$checkout/tools/staticcheck/go.mod" staticcheck ./...
	;;
test)
	# What is tested is a binary that the tests build: Go does not see that it changed, and would tell an old result.
	"$go" test -count=1 ./...
	;;
*)
	echo "usage: tools/cni_check.sh lint|test" >&2
	exit 2
	;;
esac
