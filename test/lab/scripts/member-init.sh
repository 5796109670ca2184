#!/bin/bash
# First process of a node or laptop: bash member-init.sh NAME FOLDER VOLATILE LOGS LOWER_USR, with LAB_GROUPS set.
# Runs in new namespaces below the lab's. Gives the member folders of its own over those of the machine:
#   /etc /var /opt      the machine's, with all changes kept in memory
#   /run /sys /proc     fresh
#   /var/log            LOGS
#   /var/lib/kubelet, /var/lib/containerd    on VOLATILE/NAME, which survives a power failure
# LOWER_USR, if not empty, is a list of folders laid over /usr.
# Prints its process id as the host sees it, then "ready" once all is in place, then lives until it is killed.
set -eu
name=$1 folder=$2 volatile=$3 logs=$4 usr=$5

read -r pid _ </proc/self/stat
echo "$pid"
for group in $LAB_GROUPS; do echo 0 >"$group/cgroup.procs"; done
hostname "$name"

scratch=$folder/scratch disk=$volatile/$name
mkdir -p "$scratch" "$disk/kubelet" "$disk/containerd" "$logs"
mount -t tmpfs -o mode=755 scratch "$scratch"
mkdir "$scratch/cgroup"
mount --rbind /sys/fs/cgroup "$scratch/cgroup"

for top in etc var opt; do
  mkdir "$scratch/$top" "$scratch/$top.work"
  mount -t overlay -o "lowerdir=/$top,upperdir=$scratch/$top,workdir=$scratch/$top.work" overlay "/$top"
done
if [ -n "$usr" ]; then mount -t overlay -o "lowerdir=$usr:/usr" overlay /usr; fi

. "$(dirname "$0")/member-etc.sh"
mount --bind "$disk/kubelet" /var/lib/kubelet
mount --bind "$disk/containerd" /var/lib/containerd
mount --bind "$logs" /var/log

mount -t sysfs sysfs /sys
mount --rbind "$scratch/cgroup" /sys/fs/cgroup
mount -t proc proc /proc
# What is mounted is held by the mounts made of it. Under the new /run it would be out of reach, which cAdvisor minds.
umount -R -l "$scratch"
umount -l "$volatile"
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lab /run/lock /run/netns /run/wireguard
# Pods may ask for Bidirectional mount propagation.
mount --make-rshared /

ip link set lo up
echo ready
# A waiting bash reaps orphans, as a first process must.
while true; do
  sleep 1000 &
  wait $!
done
