/* Drives one virtio-net device (virtio 1.2, 5.1) as NetKVM does: no mergeable buffers, and the offloads set once it runs. */
#include "nic.h"

#include <string.h>
#include <time.h>

#define PATIENCE_NS 5000000000ULL /* for the device, which is a thread of a busy machine */
#define NAP_NS 200000             /* between two looks at the rings */

/* Where what lies in a device's first page; the offsets are octets. */
#define RING_SPACE 16384
#define USED_AT 8192
#define SEND_AT (QUEUES * RING_SPACE)
#define CONTROL_AT (SEND_AT + SEND_BUFFERS * SEND_SIZE)

/* Virtio 1.2, 5.1.6.5: what the device reads, and in the last octet answers. */
struct control {
    uint8_t class, command;
    uint8_t offloads[8];
    uint8_t ack;
};
#define CONTROL_READ offsetof(struct control, ack)

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void nap(void)
{
    const struct timespec time = {.tv_nsec = NAP_NS};

    nanosleep(&time, NULL);
}

void nic_open(struct nic *nic, const char *slot)
{
    pci_open(slot, &nic->pci);
    nic->trouble = nic->pci.trouble;
    if (!nic->trouble)
        nic->trouble = dma_page(&nic->rings);
    for (int i = 0; i < RECEIVE_PAGES && !nic->trouble; i++)
        nic->trouble = dma_page(&nic->buffers[i]);
    if (!nic->trouble && nic->pci.config_length < sizeof nic->mac)
        nic->trouble = "no room for a MAC";
    for (unsigned i = 0; i < sizeof nic->mac && !nic->trouble; i++)
        nic->mac[i] = nic->pci.config[i];
}

/* Virtio 1.2, 4.1.4.3.2: a reset is done when the device says so. */
void nic_stop(struct nic *nic)
{
    uint64_t end = now_ns() + PATIENCE_NS;

    if (!nic->pci.common)
        return;
    nic->pci.common->device_status = 0;
    while (nic->pci.common->device_status && now_ns() < end)
        nap();
    if (nic->pci.common->device_status)
        nic->trouble = "does not reset";
}

static uint64_t offered_by(volatile struct virtio_pci_common_cfg *common)
{
    uint64_t offered = 0;

    for (uint32_t half = 0; half < 2; half++) {
        common->device_feature_select = half;
        offered |= (uint64_t)common->device_feature << 32 * half;
    }
    return offered;
}

/* Virtio 1.2, 3.1.1, steps 1 to 6. */
static void negotiate(struct nic *nic, uint64_t wanted)
{
    volatile struct virtio_pci_common_cfg *common = nic->pci.common;

    common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
    common->device_status |= VIRTIO_CONFIG_S_DRIVER;
    nic->offered = offered_by(common);
    nic->negotiated = nic->offered & wanted;
    for (uint32_t half = 0; half < 2; half++) {
        common->guest_feature_select = half;
        common->guest_feature = (uint32_t)(nic->negotiated >> 32 * half);
    }
    common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
    if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK))
        nic->trouble = "features are refused";
    else if (!(nic->negotiated & BIT(VIRTIO_F_VERSION_1)))
        nic->trouble = "VERSION_1 is not negotiated"; /* its header would have another length */
}

/* Virtio 1.2, 4.1.5.1.3; the rings are where RING_SPACE says, as the device's are at most RING_MAX long here. */
static void set_up_queue(struct nic *nic, uint16_t queue)
{
    volatile struct virtio_pci_common_cfg *common = nic->pci.common;
    uint64_t physical = nic->rings.physical + queue * RING_SPACE;
    uint8_t *at = nic->rings.at + queue * RING_SPACE;
    struct ring *ring = &nic->ring[queue];

    common->queue_select = queue;
    uint16_t size = common->queue_size < RING_MAX ? common->queue_size : RING_MAX;
    uint64_t bell = (uint64_t)common->queue_notify_off * nic->pci.multiplier;
    if (!size || size & (size - 1) || bell + sizeof(uint16_t) > nic->pci.notify_length) {
        nic->trouble = "a queue is missing";
        return;
    }
    memset(at, 0, RING_SPACE);
    *ring = (struct ring){
        .size = size,
        .descriptors = (volatile struct vring_desc *)at,
        .available = (volatile struct vring_avail *)(at + RING_MAX * sizeof(struct vring_desc)),
        .used = (volatile struct vring_used *)(at + USED_AT),
    };
    ring->available->flags = VRING_AVAIL_F_NO_INTERRUPT;
    nic->doorbell[queue] = (volatile uint16_t *)(nic->pci.notify + bell);
    common->queue_size = size;
    common->queue_desc_lo = (uint32_t)physical;
    common->queue_desc_hi = (uint32_t)(physical >> 32);
    common->queue_avail_lo = (uint32_t)(physical + RING_MAX * sizeof(struct vring_desc));
    common->queue_avail_hi = (uint32_t)(physical >> 32);
    common->queue_used_lo = (uint32_t)(physical + USED_AT);
    common->queue_used_hi = (uint32_t)(physical >> 32);
    common->queue_enable = 1;
}

/* The rings begin 2 MiB aligned, so no address of theirs carries into the upper half. */
static void describe(struct ring *ring, uint16_t at, uint64_t physical, uint32_t length)
{
    ring->descriptors[at].addr = physical;
    ring->descriptors[at].len = length;
}

static void post_receive_buffers(struct nic *nic)
{
    struct ring *ring = &nic->ring[RECEIVE];

    for (uint16_t i = 0; i < ring->size && i < RECEIVE_PAGES * RECEIVE_PER_PAGE; i++) {
        const struct dma_page *page = &nic->buffers[i / RECEIVE_PER_PAGE];
        describe(ring, i, page->physical + i % RECEIVE_PER_PAGE * RECEIVE_SIZE, RECEIVE_SIZE);
        ring->descriptors[i].flags = VRING_DESC_F_WRITE;
        ring_post(ring, i, RECEIVE_SIZE);
    }
    nic_ring_doorbell(nic, RECEIVE);
}

/* From a reset on. NetKVM's order (ParaNdis_DeviceEnterD0): DRIVER_OK, the offloads, then receiving. */
void nic_start(struct nic *nic, uint64_t wanted)
{
    nic->trouble = nic->pci.trouble;
    nic->offloads = 0;
    nic_stop(nic);
    if (!nic->trouble)
        negotiate(nic, wanted);
    for (uint16_t queue = 0; queue < QUEUES && !nic->trouble; queue++)
        if (queue != CONTROL || nic->negotiated & BIT(VIRTIO_NET_F_CTRL_VQ))
            set_up_queue(nic, queue);
    if (nic->trouble) {
        nic->pci.common->device_status |= VIRTIO_CONFIG_S_FAILED;
        return;
    }
    nic->pci.common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
    if (nic->negotiated & BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
        nic->trouble = nic_set_offloads(
            nic, nic->negotiated & (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
                                    BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_RSC_EXT)));
    post_receive_buffers(nic);
}

/* VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET (virtio 1.2, 5.1.6.5.6). :return: why it failed, or NULL. */
const char *nic_set_offloads(struct nic *nic, uint64_t offloads)
{
    volatile struct control *control = (volatile struct control *)(nic->rings.at + CONTROL_AT);
    uint64_t physical = nic->rings.physical + CONTROL_AT, end = now_ns() + PATIENCE_NS;
    struct ring *ring = &nic->ring[CONTROL];
    struct used_chain chain;

    if (!(nic->negotiated & BIT(VIRTIO_NET_F_CTRL_VQ)))
        return "there is no control queue";
    control->class = VIRTIO_NET_CTRL_GUEST_OFFLOADS;
    control->command = VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET;
    for (unsigned i = 0; i < sizeof control->offloads; i++)
        control->offloads[i] = (uint8_t)(offloads >> 8 * i);
    control->ack = 0xFF;
    describe(ring, 0, physical, CONTROL_READ);
    ring->descriptors[0].flags = VRING_DESC_F_NEXT;
    ring->descriptors[0].next = 1;
    describe(ring, 1, physical + CONTROL_READ, 1);
    ring->descriptors[1].flags = VRING_DESC_F_WRITE;
    ring_post(ring, 0, 1);
    nic_ring_doorbell(nic, CONTROL);
    while (!ring_take(ring, &chain)) {
        if (ring->trouble || now_ns() > end)
            return ring->trouble ? ring->trouble : "the control queue does not answer";
        nap();
    }
    if (control->ack != VIRTIO_NET_OK)
        return "the device refuses these offloads";
    nic->offloads = offloads;
    return NULL;
}

void nic_ring_doorbell(struct nic *nic, enum queue queue)
{
    *nic->doorbell[queue] = (uint16_t)queue;
}

/* The next frame, and in the record when it came and its virtio header; NULL where there is none.
   It is the caller's until given back. */
const uint8_t *nic_receive(struct nic *nic, uint16_t *head, struct record *record)
{
    struct virtio_net_hdr_v1 header;
    struct used_chain chain;

    if (nic->trouble || !ring_take(&nic->ring[RECEIVE], &chain)) {
        if (!nic->trouble)
            nic->trouble = nic->ring[RECEIVE].trouble;
        return NULL;
    }
    if (chain.written < HEADER_LENGTH) {
        nic->trouble = "a frame without header";
        return NULL;
    }
    const uint8_t *at = nic->buffers[chain.head / RECEIVE_PER_PAGE].at + chain.head % RECEIVE_PER_PAGE * RECEIVE_SIZE;
    memcpy(&header, at, sizeof header);
    *head = chain.head;
    *record = (struct record){
        .when = now_ns(),
        .length = chain.written - HEADER_LENGTH,
        .flags = header.flags,
        .gso_type = header.gso_type,
        .hdr_len = header.hdr_len,
        .gso_size = header.gso_size,
        .csum_start = header.csum_start,
        .csum_offset = header.csum_offset,
    };
    return at + HEADER_LENGTH;
}

void nic_give_back(struct nic *nic, uint16_t head)
{
    ring_post(&nic->ring[RECEIVE], head, RECEIVE_SIZE);
}

void nic_keep(struct nic *nic, const struct record *record)
{
    if (nic->received < RECORDS)
        nic->records[nic->received++] = *record;
    else
        nic->lost++;
}

/* Sends a frame, with a header that asks for nothing; who waits for it asks again, so what finds no room is dropped. */
void nic_send(struct nic *nic, const void *frame, size_t length)
{
    struct ring *ring = &nic->ring[SEND];
    struct used_chain chain;
    uint16_t free = 0;

    while (ring_take(ring, &chain))
        ;
    while (free < SEND_BUFFERS && ring->out[free])
        free++;
    if (ring->trouble)
        nic->trouble = ring->trouble;
    if (nic->trouble || free == SEND_BUFFERS || length > SEND_SIZE - HEADER_LENGTH)
        return;
    uint8_t *at = nic->rings.at + SEND_AT + free * SEND_SIZE;
    memset(at, 0, HEADER_LENGTH);
    memcpy(at + HEADER_LENGTH, frame, length);
    describe(ring, free, nic->rings.physical + SEND_AT + free * SEND_SIZE, (uint32_t)(HEADER_LENGTH + length));
    ring_post(ring, free, 0);
    nic_ring_doorbell(nic, SEND);
}
