/* A split virtqueue (virtio 1.2, 2.7) whose device may lie: what it hands back is believed only if it was handed out. */
#ifndef RING_H
#define RING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_MAX 256

struct ring {
    uint16_t size; /* a power of two, at most RING_MAX */
    volatile struct vring_desc *descriptors;
    volatile struct vring_avail *available;
    volatile struct vring_used *used;
    uint16_t taken;              /* how many have been taken back, modulo 2^16, as the device counts */
    bool out[RING_MAX];          /* which chains, by their first descriptor, the device has */
    uint32_t writable[RING_MAX]; /* how many octets it may write into each */
    const char *trouble;         /* the first lie; then nothing is taken any more */
};

/* What was handed back. */
struct used_chain {
    uint16_t head;
    uint32_t written;
};

void ring_post(struct ring *ring, uint16_t head, uint32_t writable);
bool ring_take(struct ring *ring, struct used_chain *chain);

#endif
