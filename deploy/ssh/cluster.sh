#!/usr/bin/env bash
# Runs a job on this machine and on others that ssh reaches, all of which have zmr, and see inputs
# and output on a common disk.
#
#     deploy/ssh/cluster.sh "node1 node2" wordcount /shared/input -o /shared/counts
#
# ZMR_HOST: the name or address of this machine that the others reach it by.
set -euo pipefail
hosts=$1
shift
host=${ZMR_HOST:-$(hostname -f)}
port=${ZMR_MASTER_PORT:-5555}

key_file=$(mktemp -u)
zmr key new "$key_file"
trap 'rm -f "$key_file"' EXIT
zmr master --host 0.0.0.0 --port "$port" --key-file "$key_file" --job "$@" &
master=$!
trap 'kill "$master" 2>/dev/null || true; rm -f "$key_file"' EXIT

# The key goes by standard input: everybody sees the arguments of a process.
for there in $hosts; do
    ssh "$there" 'read -r ZMR_KEY && export ZMR_KEY && exec zmr worker '"tcp://$host:$port" <"$key_file" &
done
wait "$master"
