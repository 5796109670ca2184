#!/bin/bash
# First process of a guest that is a node, once its root is made (uml.ts): bash guest-inside.sh NAME INDEX NODE.
#   /                                        the machine's, with all changes kept in the guest's memory
#   /var/log                                 a folder of the machine, so that logs can be read from outside
#   /var/lib/kubelet, /var/lib/containerd    on the disk, which survives a power failure
set -eu
name=$1 index=$2 node=$3
scripts=$(cd "$(dirname "$0")" && pwd)

mkdir -p /run/lab /run/netns /run/wireguard /run/disk
. "$scripts/member-etc.sh"
# The file began as zeros.
mount -t ext4 -o noinit_itable /dev/ubda /run/disk
mkdir -p /run/disk/kubelet /run/disk/containerd
mount --bind /run/disk/kubelet /var/lib/kubelet
mount --bind /run/disk/containerd /var/lib/containerd
# What is mounted is held by the mounts made of it. Under /run cAdvisor would look at it a second time.
umount -l /run/disk

# Node.js would use it for files, and this kernel's memory breaks when such a process forks.
sysctl -qw kernel.io_uring_disabled=2

mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
# cAdvisor, and with it the kubelet, ends without such a line, and User-Mode Linux prints none.
sed 's/^bogomips.*/cpu MHz\t\t: 2000.000\n&/' /proc/cpuinfo >/run/lab/cpuinfo
mount --bind /run/lab/cpuinfo /proc/cpuinfo

ip link set vec0 name eth0
ip link set vec1 name eth1

# Commands come on a line of their own, which ends in a network namespace of its own: whatever a test does to the node's
# links, addresses and firewall, the node can still be asked, and nothing of this shows in its network.
touch /run/lab/commands
unshare --net=/run/lab/commands true
ip link set eth1 netns /run/lab/commands
apart="nsenter --net=/run/lab/commands --"
$apart ip address add "169.254.$index.2/30" dev eth1
$apart ip link set eth1 up
# Pods may ask for Bidirectional mount propagation.
mount --make-rshared /

$apart "$node" "$scripts/../remote-shell-server.ts" 1 nsenter --net=/proc/1/ns/net -- </dev/null >>/var/log/commands.log 2>&1 &
# A waiting bash reaps orphans, as a first process must.
while true; do
  sleep 1000 &
  wait $!
done
