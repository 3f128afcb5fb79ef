/* Judges a received frame: are its checksums right, and is its payload what the sender sends at that sequence number? */
#include "frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>

/* What lies in an IP packet: its pseudo header's sum, and the transport's octets. */
struct transport {
    uint32_t pseudo;
    const uint8_t *at;
    size_t length;
};

/* segments.py has the same: a segment's payload shows where in the stream it belongs. */
uint8_t expected_octet(uint32_t position)
{
    return (uint8_t)(position ^ (position >> 8) ^ (position >> 16));
}

/* RFC 1071, unfolded; an odd octet at the end counts as if a zero followed. */
static uint32_t added(uint32_t total, const uint8_t *octets, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2)
        total += (uint32_t)octets[i] << 8 | octets[i + 1];
    if (length % 2)
        total += (uint32_t)octets[length - 1] << 8;
    return total;
}

static uint16_t folded(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xFFFF) + (total >> 16);
    return (uint16_t)total;
}

static uint8_t judged_sum(const struct transport *found, uint16_t field)
{
    /* Over the field itself too, so what is right adds up to all ones. */
    if (folded(added(found->pseudo, found->at, found->length)) == 0xFFFF)
        return SUM_RIGHT;
    return ntohs(field) == folded(found->pseudo) ? SUM_PARTIAL : SUM_WRONG;
}

static bool in_ipv4(const uint8_t *packet, size_t length, struct record *record, struct transport *found)
{
    struct iphdr ip;

    if (length < sizeof ip)
        return false;
    memcpy(&ip, packet, sizeof ip);
    size_t head = ip.ihl * 4U, whole = ntohs(ip.tot_len);
    if (ip.version != 4 || head < sizeof ip || whole < head || whole > length)
        return false;
    record->protocol = ip.protocol;
    record->ip_sum = folded(added(0, packet, head)) == 0xFFFF ? SUM_RIGHT : SUM_WRONG;
    found->at = packet + head;
    found->length = whole - head;
    found->pseudo = added((uint32_t)(ip.protocol + found->length), packet + offsetof(struct iphdr, saddr), 8);
    return true;
}

static bool in_ipv6(const uint8_t *packet, size_t length, struct record *record, struct transport *found)
{
    struct ip6_hdr ip;

    if (length < sizeof ip)
        return false;
    memcpy(&ip, packet, sizeof ip);
    size_t whole = ntohs(ip.ip6_plen);
    if (ip.ip6_vfc >> 4 != 6 || whole > length - sizeof ip)
        return false;
    record->protocol = ip.ip6_nxt;
    found->at = packet + sizeof ip;
    found->length = whole;
    found->pseudo = added((uint32_t)(ip.ip6_nxt + whole), packet + offsetof(struct ip6_hdr, ip6_src), 32);
    return true;
}

static void judge_payload(const uint8_t *payload, size_t length, struct record *record)
{
    record->payload = (uint32_t)length;
    record->intact = 1;
    for (size_t i = 0; i < length; i++)
        if (payload[i] != expected_octet(record->sequence + (uint32_t)i))
            record->intact = 0;
}

static bool judge_tcp(const struct transport *found, struct record *record)
{
    struct tcphdr tcp;

    if (found->length < sizeof tcp)
        return false;
    memcpy(&tcp, found->at, sizeof tcp);
    size_t head = tcp.doff * 4U;
    if (head < sizeof tcp || head > found->length)
        return false;
    record->sequence = ntohl(tcp.seq);
    record->acknowledged = ntohl(tcp.ack_seq);
    record->source_port = ntohs(tcp.source);
    record->tcp_flags = tcp.th_flags;
    record->sum = judged_sum(found, tcp.check);
    judge_payload(found->at + head, found->length - head, record);
    return true;
}

/* Fills in all but the time and the virtio header; what could not be read is malformed, and its sums are NONE. */
void judge_frame(const uint8_t *frame, size_t length, struct record *record)
{
    struct transport found = {0};
    struct ether_header ethernet;
    bool known = false;

    record->length = (uint32_t)length;
    record->malformed = 1;
    if (length < sizeof ethernet)
        return;
    memcpy(&ethernet, frame, sizeof ethernet);
    record->ethertype = ntohs(ethernet.ether_type);
    frame += sizeof ethernet;
    length -= sizeof ethernet;
    if (record->ethertype == ETHERTYPE_IP)
        known = in_ipv4(frame, length, record, &found);
    else if (record->ethertype == ETHERTYPE_IPV6)
        known = in_ipv6(frame, length, record, &found);
    if (known && record->protocol == IPPROTO_TCP)
        record->malformed = !judge_tcp(&found, record);
}
