/* A virtio device on PCI (virtio 1.2, 4.1), driven from user space: its capabilities, mapped, and memory that it can reach. */
#ifndef PCI_H
#define PCI_H

#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUGE_PAGE (2UL << 20)

struct pci_device {
    volatile struct virtio_pci_common_cfg *common;
    volatile uint8_t *notify; /* plus a queue's offset times the multiplier */
    size_t notify_length;
    uint32_t multiplier;
    volatile uint8_t *config; /* struct virtio_net_config */
    size_t config_length;
    const char *trouble; /* why it cannot be driven */
};

/* A page of 2 MiB, so physically in one piece, locked, and where it is. */
struct dma_page {
    uint8_t *at;
    uint64_t physical;
};

bool pci_is_network(const char *slot);
void pci_open(const char *slot, struct pci_device *device);
const char *dma_reserve(unsigned pages);
const char *dma_page(struct dma_page *page);

#endif
