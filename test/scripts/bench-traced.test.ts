import { expect, test } from 'vitest';
import { countCalls } from '../bench/kernel-bytes/traced.ts';

test('of what strace wrote, all calls are counted, and what Netlink messages really carried', () => {
  const trace = `
147   execve("/usr/bin/wg", ["wg", "set"], 0x7ffd /* 3 vars */) = 0
147   mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f1b6c0d4000
147   read(3</usr/lib/libmnl.so.0>, "\\177ELF"..., 832) = 832
147   socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_GENERIC) = 3<socket:[58]>
147   socket(AF_UNIX, SOCK_STREAM, 0)   = 4<socket:[59]>
147   write(4<socket:[59]>, "get=1\\n", 6)       = 6
147   sendto(3<socket:[58]>, [{nlmsg_len=132}, "x) = 9"], 132, 0, NULL, 0) = 132
147   recvmsg(3<socket:[58]>, {msg_iov=[{iov_base=NULL, iov_len=0}]}, MSG_PEEK|MSG_TRUNC) = 36
147   recvmsg(3<socket:[58]>, {msg_iov=[{iov_base=[{nlmsg_len=36}], iov_len=4096}]}, 0) = 36
147   recvmsg(3<socket:[58]>, {msg_namelen=12}, 0) = -1 EAGAIN (Resource temporarily unavailable)
147   close(3<socket:[58]>)             = 0
147   +++ exited with 0 +++
`;
  expect(countCalls(trace)).toEqual({ calls: 11, messages: 2, bytes: 168 });
});
