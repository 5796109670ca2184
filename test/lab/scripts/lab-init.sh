#!/bin/bash
# First process of a lab: bash lab-init.sh FOLDER BRIDGE_ADDRESS, with LAB_GROUPS set.
# Runs in new namespaces. Prints its process id as the host sees it, then lives until standard input ends,
# or for good once it has read "keep". When it ends, the kernel ends every process of the lab.
set -eu
folder=$1 address=$2

# /proc is still the host's, so this is the id outside of our PID namespace.
read -r pid _ </proc/self/stat
for group in $LAB_GROUPS; do echo 0 >"$group/cgroup.procs"; done

hostname sallyport-lab
mkdir -p "$folder/volatile"
mount -t tmpfs -o mode=755 volatile "$folder/volatile"

ip link set lo up
# With an address of its own: else it takes a port's, and another when that port's node ends, and nobody reaches it.
ip link add br0 address 02:00:00:00:00:01 type bridge
ip address add "$address" dev br0
ip link set br0 up
# Frames between nodes are the underlay's affair: no firewall or conntrack looks at them here.
for file in /proc/sys/net/bridge/bridge-nf-call-*; do
  if [ -e "$file" ]; then echo 0 >"$file"; fi
done

echo "$pid"
while read -r word; do
  if [ "$word" = keep ]; then
    # A waiting bash still reaps orphans, as a first process must.
    while true; do
      sleep 1000 &
      wait $!
    done
  fi
done
