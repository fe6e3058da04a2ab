#!/usr/bin/env bash
# Starts a kind cluster (kind-config.yaml), builds the images, loads them, installs Holdfast and a PostgreSQL to try it with.
# Repeat it freely: what is there is kept, what changed is built and installed again.
set -euo pipefail
cd "$(dirname "$0")/.."

CLUSTER=holdfast
VERSION=0.1.0
WAIT=180s

say() { printf '%s\n' "$@" >&2; }
die() { say "$@"; exit 1; }

missing=()
for program in docker kind kubectl; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} = 0 ] || die "make kind-up needs ${missing[*]}, which this machine does not have. kind is at kind.sigs.k8s.io." \
    "On Debian without Docker, as root, \`make cluster-up\` starts a real node instead."
docker info >/dev/null 2>&1 || die "Docker does not answer: \`docker info\` says why. Start it, and make kind-up again."

kind get clusters 2>/dev/null | grep -qx "$CLUSTER" || kind create cluster --config kind-config.yaml --wait "$WAIT"
kubectl() { command kubectl --context "kind-$CLUSTER" "$@"; }

build() { # build NAME DOCKERFILE
    say "Building $1:$VERSION"
    docker build --quiet --file "$2" --tag "$1:$VERSION" . >/dev/null
}
build holdfast-runner runner/Dockerfile
build holdfast-operator operator/Dockerfile
build holdfast-census examples/census/Dockerfile
build holdfast-test-postgres tests/cluster/postgres/Dockerfile
kind load docker-image --name "$CLUSTER" \
    "holdfast-operator:$VERSION" "holdfast-census:$VERSION" "holdfast-test-postgres:$VERSION"

kubectl apply -k operator/install
kubectl apply -k tests/cluster/postgres
kubectl --namespace holdfast-system rollout status statefulset/holdfast-postgres --timeout "$WAIT"
# The tags stay the same: what runs has to be told that the images are new.
kubectl --namespace holdfast-system rollout restart deployment/holdfast-operator
kubectl --namespace holdfast-system rollout status deployment/holdfast-operator --timeout "$WAIT"

say "" "Holdfast is up. A first run:" \
    "    kubectl config use-context kind-$CLUSTER" \
    "    kubectl apply -f examples/census/taskrun.yaml" \
    "    kubectl get taskruns --watch"
