import { expect, test } from 'vitest';
import { loadOrder } from '../lab/module-order.ts';

const DEP = `kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/fs/fuse/fuse.ko:
kernel/fs/fuse/virtiofs.ko: kernel/drivers/virtio/virtio.ko kernel/fs/fuse/fuse.ko
`;

test('a module comes after all that it needs, and once', () => {
  expect(loadOrder(DEP, ['virtio_pci', 'virtiofs'])).toEqual([
    'kernel/drivers/virtio/virtio_pci_modern_dev.ko',
    'kernel/drivers/virtio/virtio_ring.ko',
    'kernel/drivers/virtio/virtio.ko',
    'kernel/drivers/virtio/virtio_pci.ko',
    'kernel/fs/fuse/fuse.ko',
    'kernel/fs/fuse/virtiofs.ko',
  ]);
});

test('a module that the kernel does not have is named', () => {
  expect(() => loadOrder(DEP, ['virtiofs', 'overlay'])).toThrow('this kernel has no module overlay');
});
