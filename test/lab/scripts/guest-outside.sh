#!/bin/bash
# First process around a node with a kernel of its own, in new PID and mount namespaces below the lab's, in the lab's network:
#   bash guest-outside.sh INDEX FOLDER DISK CONSOLE NODE COMMAND…, with LAB_GROUPS set.
# Prints its process id as the host sees it, then "ready" once the guest boots by COMMAND, then lives as long as that does.
# When it ends, everything here ends, which is a power failure for the guest.
#   INDEX    tap devices nodeN, on the lab's bridge, and commandsN, that only commands travel on (guest-inside.sh)
#   FOLDER   of the host, for the socket file for commands
#   DISK     the file of the guest's disk; made if there is none
#   CONSOLE  the file of what the guest's kernel says
#   NODE     Node.js
set -eu
index=$1 folder=$2 disk=$3 console=$4 node=$5
shift 5

read -r pid _ </proc/self/stat
echo "$pid"
for group in $LAB_GROUPS; do echo 0 >"$group/cgroup.procs"; done
mount -t proc proc /proc

if [ ! -e "$disk" ]; then
  mkdir -p "$(dirname "$disk")"
  # Room on paper: the file grows with what is written to it.
  truncate -s 16G "$disk.new"
  mkfs.ext4 -q -m 0 -E nodiscard "$disk.new"
  mv "$disk.new" "$disk"
fi

# A tap device outlives its user, and what an earlier guest left in it is stale.
for tap in "node$index" "commands$index"; do
  if ip link show "$tap" >/dev/null 2>&1; then ip link delete "$tap"; fi
  ip tuntap add "$tap" mode tap
done
ip link set "node$index" master br0 up
ip address add "169.254.$index.1/30" dev "commands$index"
ip link set "commands$index" up

rm -f "$folder/commands.sock"
"$node" "$(dirname "$0")/../socket-forwarder.ts" "$folder/commands.sock" "169.254.$index.2" 1 </dev/null >/dev/null &
# The guest's memory is a nameless file there: /dev/shm may be small.
TMPDIR=$(dirname "$disk") "$@" </dev/null >>"$console" 2>&1 &
guest=$!
echo ready
exec >/dev/null
wait "$guest"
