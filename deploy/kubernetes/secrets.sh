#!/usr/bin/env bash
# Makes the Secrets of a new fleet, with fresh values that are written nowhere else: its secret, the token of its admin
# listener, a user for Redis, and its certificate authority; and gives agents' namespaces what they are to trust.
# It replaces nothing: `kubectl create` refuses where one is there. Wants `lockgate`, `openssl` and `kubectl`, and the
# namespaces. usage: secrets.sh [NAMESPACE OF AGENTS]...
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 32 random bytes in hex, without the end of line that would become a part of the value.
fresh() { openssl rand -hex 32 | tr -d '\n'; }

# Values go by files: arguments can be read by every process of this machine.
mkdir "$work/lockgate" "$work/redis"
fresh >"$work/lockgate/secret"
fresh >"$work/lockgate/admin-token"
password=$(fresh)
printf 'redis://lockgate:%s@lockgate-redis:6379' "$password" >"$work/lockgate/store-url"
digest=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
sed "s/DIGEST/$digest/" "$here/redis/users.acl" >"$work/redis/users.acl"

# With `name_constraints` under [proxy], the same lines belong here.
printf '[proxy]\nca_dir = "ca"\n' >"$work/ca.toml"
lockgate ca rotate --config "$work/ca.toml" >&2
lockgate ca export --config "$work/ca.toml" --format bundle --output "$work/bundle.pem" >&2

kubectl create secret generic lockgate --namespace lockgate --from-file="$work/lockgate"
kubectl create secret generic lockgate-redis --namespace lockgate --from-file="$work/redis"
kubectl create secret generic lockgate-ca --namespace lockgate --from-file="$work/ca/authority-1.pem"
for namespace in "$@"; do
  kubectl create configmap lockgate-trust --namespace "$namespace" --from-file="$work/bundle.pem"
done
