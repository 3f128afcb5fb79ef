/* A split virtqueue that is polled, and in which no word of the device's is used before it is checked. */
#include "ring.h"

#include <stddef.h>

/* Gives the device a chain whose descriptors are filled in (virtio 1.2, 2.7.13); the caller notifies it. */
void ring_post(struct ring *ring, uint16_t head, uint32_t writable)
{
    uint16_t next = ring->available->idx;

    ring->out[head] = true;
    ring->writable[head] = writable;
    ring->available->ring[next % ring->size] = head;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the entry, and what it names, before the index that shows it */
    ring->available->idx = (uint16_t)(next + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* and that before the notification */
}

static const char *lie(const struct ring *ring, uint16_t waiting, uint32_t head, uint32_t written)
{
    if (waiting > ring->size)
        return "used index runs ahead";
    if (head >= ring->size)
        return "used id out of range";
    if (!ring->out[head])
        return "used id was not handed out";
    if (written > ring->writable[head])
        return "used length above the buffer";
    return NULL;
}

/* Takes back the next chain that was used (virtio 1.2, 2.7.14), if there is one and the device tells the truth of it. */
bool ring_take(struct ring *ring, struct used_chain *chain)
{
    uint16_t waiting = (uint16_t)(ring->used->idx - ring->taken);

    if (ring->trouble || !waiting)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index before the entry */
    volatile struct vring_used_elem *entry = &ring->used->ring[ring->taken % ring->size];
    uint32_t head = entry->id, written = entry->len; /* read once */
    ring->trouble = lie(ring, waiting, head, written);
    if (ring->trouble)
        return false;
    ring->taken++;
    ring->out[head] = false;
    chain->head = (uint16_t)head;
    chain->written = written;
    return true;
}
