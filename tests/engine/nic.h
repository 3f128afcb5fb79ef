/* One virtio-net device, driven as NetKVM drives it, without interrupts: what it negotiated, and what it received. */
#ifndef NIC_H
#define NIC_H

#include "frame.h"
#include "pci.h"
#include "ring.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define BIT(number) (1ULL << (number))
#define RECORDS 1024
#define SEND_BUFFERS 16
#define SEND_SIZE 2048
/* Virtio 1.2, 5.1.6.3.1: at least 65562 octets with GUEST_TSO4/6 and without MRG_RXBUF. */
#define RECEIVE_SIZE (17 * 4096UL)
#define RECEIVE_PER_PAGE (HUGE_PAGE / RECEIVE_SIZE)
#define RECEIVE_PAGES 8
#define PAGES_PER_NIC (1 + RECEIVE_PAGES)

enum queue { RECEIVE, SEND, CONTROL, QUEUES };

struct nic {
    struct pci_device pci;
    struct dma_page rings, buffers[RECEIVE_PAGES];
    struct ring ring[QUEUES];
    volatile uint16_t *doorbell[QUEUES];
    uint8_t mac[6];
    uint64_t offered, negotiated, offloads; /* bits of features; offloads as last acknowledged over the control queue */
    uint32_t received, lost;                /* records since they were cleared, and how many had no room */
    struct record records[RECORDS];
    const char *trouble; /* why it does not work (any more) */
};

void nic_open(struct nic *nic, const char *slot);
void nic_start(struct nic *nic, uint64_t wanted);
void nic_stop(struct nic *nic);
const char *nic_set_offloads(struct nic *nic, uint64_t offloads);
const uint8_t *nic_receive(struct nic *nic, uint16_t *head, struct record *record);
void nic_give_back(struct nic *nic, uint16_t head);
void nic_ring_doorbell(struct nic *nic, enum queue queue);
void nic_keep(struct nic *nic, const struct record *record);
void nic_send(struct nic *nic, const void *frame, size_t length);
uint64_t now_ns(void);
void nap(void);

#endif
