# Gives a member of the lab an /etc of its own, where all changes are kept in memory. To be sourced; $name is the member's.
rm -rf /etc/cni /etc/resolv.conf /etc/hosts /etc/hostname /etc/machine-id /etc/wireguard /etc/resolvconf
mkdir -p /etc/cni/net.d /etc/wireguard /var/lib/kubelet /var/lib/containerd /var/log
chmod 700 /etc/wireguard
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" >/etc/hosts
printf '%s\n' "$name" >/etc/hostname
printf '%s' "$name" | md5sum | cut -c1-32 >/etc/machine-id
printf '# No resolver is known here.\n' >/etc/resolv.conf
