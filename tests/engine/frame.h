/* What the guest says of a frame that it received: the record that travels to the test, and how it is judged. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

/* A checksum as it was found. PARTIAL: the field holds the sum of the pseudo header alone, as a sender with checksum
   offload leaves it (linux/virtio_net.h: VIRTIO_NET_HDR_F_NEEDS_CSUM says so beside it, unless somebody took that away). */
enum sum { SUM_NONE, SUM_RIGHT, SUM_WRONG, SUM_PARTIAL };

#define TEST_ETHERTYPE 0x88B5 /* IEEE Std 802, local experimental 1: QEMU's engine looks at IPv4 and IPv6 only */
#define HEADER_LENGTH 12      /* virtio 1.2, 5.1.6: struct virtio_net_hdr with num_buffers, always there with VERSION_1 */

/* As it is sent, little-endian; link.py unpacks it. */
struct record {
    uint64_t when; /* ns, CLOCK_MONOTONIC, when it was taken from the ring */
    uint32_t length, sequence, acknowledged, payload; /* octets; the frame's length is without the virtio header */
    uint16_t hdr_len, gso_size, csum_start, csum_offset; /* of the virtio header, as they were */
    uint16_t ethertype, source_port;
    uint8_t flags, gso_type; /* of the virtio header */
    uint8_t protocol, tcp_flags, ip_sum, sum, intact, malformed;
};
_Static_assert(sizeof(struct record) == 48, "link.py's RECORD");

uint8_t expected_octet(uint32_t position);
void judge_frame(const uint8_t *frame, size_t length, struct record *record);

#endif
