/* /init of the engine guest: drives every virtio-net device it finds, and does what frames of TEST_ETHERTYPE ask for.

   engine.wanted=0x… on the kernel command line is the set of features that it takes at boot, NetKVM's unless said. */
#include "nic.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#define NICS 6
#define MAGIC 0x52534345 /* RSCE */
#define PER_ANSWER 24    /* records */

/* Of what NetKVM takes (ParaNdis_Common.cpp, 2026-07), what decides how frames are received. */
#define NETKVM                                                                                                         \
    (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_GUEST_CSUM) |        \
     BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_RSC_EXT) | BIT(VIRTIO_NET_F_GUEST_TSO4) |                  \
     BIT(VIRTIO_NET_F_GUEST_TSO6))

enum verb { STATE = 1, START, OFFLOADS, CLEAR, READ, MARK, REBOOT };

/* What the test sends after the Ethernet header; link.py packs it. */
struct request {
    uint32_t magic, id, verb, spare;
    /* Of START and OFFLOADS feature bits, of READ the first record, of MARK what its record says; of REBOOT the first half
       of the boot that it is to end, so that one which a TAP has kept meanwhile does not end the next. */
    uint64_t argument;
};

/* What it is answered, to whoever asked. */
struct answer {
    uint8_t to[6], from[6];
    uint16_t ethertype;
    uint8_t spare[2];
    uint32_t magic, id, verb, failed;
    uint8_t boot[16]; /* the kernel's boot_id */
    uint64_t offered, negotiated, offloads;
    uint32_t received, lost, count;
    char words[64]; /* why it failed */
    struct record records[PER_ANSWER];
};
_Static_assert(offsetof(struct answer, magic) == 16 && offsetof(struct answer, records) == 152, "link.py's ANSWER");

/* A device, and the last request that it served: asked again, it answers again and does nothing. */
struct served {
    struct nic nic;
    uint32_t id;
    const char *failure;
    const char *told; /* what the console was told of its trouble */
};

static struct served devices[NICS];
static unsigned found;
static uint8_t boot[16];

static void say(const char *what, const char *words)
{
    printf("engine: %s: %s\n", what, words);
    fflush(stdout);
}

static void read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, size - 1);

    text[length > 0 ? length : 0] = 0;
    if (file >= 0)
        close(file);
}

static void mount_all(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
}

/* QEMU's own clock, unscaled; what the kernel calibrates against it is off on a busy host (seen: the APIC timer, by 4 %). */
static void choose_clock(void)
{
    int file = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_WRONLY | O_CLOEXEC);

    if (file < 0 || write(file, "acpi_pm", 7) != 7)
        say("clock", "not acpi_pm");
    if (file >= 0)
        close(file);
}

/* Of the text form the dashes are left out. */
static void read_boot(void)
{
    char text[64], *at = text;
    unsigned octet;

    read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
    for (unsigned i = 0; i < sizeof boot && sscanf(at += *at == '-', "%2x", &octet) == 1; i++, at += 2)
        boot[i] = (uint8_t)octet;
}

static uint64_t wanted_at_boot(void)
{
    char line[4096];

    read_text("/proc/cmdline", line, sizeof line);
    const char *at = strstr(line, "engine.wanted=");
    return at ? strtoull(at + strlen("engine.wanted="), NULL, 16) : NETKVM;
}

/* Sorted, so that a device has the same place after each boot. */
static void find_devices(void)
{
    struct dirent **slots = NULL;
    char names[NICS][32];
    int count = scandir("/sys/bus/pci/devices", &slots, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        if (slots[i]->d_name[0] != '.' && found < NICS && pci_is_network(slots[i]->d_name))
            snprintf(names[found++], sizeof names[0], "%.31s", slots[i]->d_name);
        free(slots[i]);
    }
    free(slots);
    const char *trouble = dma_reserve(found * PAGES_PER_NIC);
    if (trouble)
        say("memory", trouble);
    for (unsigned i = 0; i < found; i++)
        nic_open(&devices[i].nic, names[i]);
}

static void start_all(uint64_t wanted)
{
    for (unsigned i = 0; i < found; i++)
        if (!devices[i].nic.trouble)
            nic_start(&devices[i].nic, wanted);
}

/* A device in trouble is silent on its wire, so that nobody takes what it says for true; the console has the reason. */
static void complain(struct served *device)
{
    if (device->nic.trouble && device->nic.trouble != device->told)
        say("device", device->nic.trouble);
    device->told = device->nic.trouble;
}

/* An answer with the state as it is now, and records from the one asked for. */
static void answer(struct served *device, const uint8_t *asker, const struct request *request)
{
    struct nic *nic = &device->nic;
    struct answer said = {.ethertype = htons(TEST_ETHERTYPE), .magic = MAGIC, .id = request->id, .verb = request->verb};

    memcpy(said.to, asker, sizeof said.to);
    memcpy(said.from, nic->mac, sizeof said.from);
    memcpy(said.boot, boot, sizeof boot);
    said.failed = device->failure != NULL;
    said.offered = nic->offered;
    said.negotiated = nic->negotiated;
    said.offloads = nic->offloads;
    said.received = nic->received;
    said.lost = nic->lost;
    snprintf(said.words, sizeof said.words, "%s", device->failure ? device->failure : "");
    if (request->verb == READ)
        for (uint64_t at = request->argument; at < nic->received && said.count < PER_ANSWER; at++)
            said.records[said.count++] = nic->records[at];
    nic_send(nic, &said, offsetof(struct answer, records) + said.count * sizeof(struct record));
}

static void leave(void)
{
    uint64_t end = now_ns() + 100000000ULL; /* the answer has to get out of the ring */

    while (now_ns() < end)
        nap();
    for (unsigned i = 0; i < found; i++)
        nic_stop(&devices[i].nic);
    reboot(RB_AUTOBOOT);
}

/* :return: why not, or NULL. */
static const char *carry_out(struct nic *nic, const struct request *request)
{
    switch ((enum verb)request->verb) {
    case START:
        nic_start(nic, request->argument);
        return NULL;
    case OFFLOADS:
        return nic_set_offloads(nic, request->argument);
    case CLEAR:
        nic->received = nic->lost = 0;
        return NULL;
    case STATE: /* the answer does them */
    case READ:
    case REBOOT:
        return NULL;
    case MARK: /* recorded, and never served */
        break;
    }
    return "unknown request";
}

static void serve(struct served *device, const uint8_t *asker, const struct request *request)
{
    if (request->id != device->id) {
        device->id = request->id;
        device->failure = carry_out(&device->nic, request);
    }
    answer(device, asker, request);
    if (request->verb == REBOOT && !memcmp(&request->argument, boot, sizeof request->argument))
        leave();
}

/* What is not for this device is none of its business: a bridge floods. */
static void take(struct served *device, const uint8_t *frame, struct record *record, struct request *request)
{
    struct nic *nic = &device->nic;

    if (record->length < 14 || memcmp(frame, nic->mac, sizeof nic->mac))
        return;
    judge_frame(frame, record->length, record);
    if (record->ethertype == TEST_ETHERTYPE && record->length >= 14 + sizeof *request) {
        memcpy(request, frame + 14, sizeof *request);
        if (request->magic != MAGIC || request->verb != MARK)
            return;
        record->malformed = 0;
        record->sequence = (uint32_t)request->argument;
    }
    nic_keep(nic, record);
}

/* Whether there was anything to do. */
static bool poll_device(struct served *device)
{
    struct request request = {0};
    struct record record;
    uint8_t asker[6];
    uint16_t head;
    const uint8_t *frame = nic_receive(&device->nic, &head, &record);

    if (!frame)
        return false;
    memcpy(asker, frame + 6, sizeof asker);
    take(device, frame, &record, &request);
    nic_give_back(&device->nic, head);
    nic_ring_doorbell(&device->nic, RECEIVE);
    if (request.magic == MAGIC && request.verb != MARK)
        serve(device, asker, &request);
    return true;
}

int main(void)
{
    mount_all();
    choose_clock();
    read_boot();
    find_devices();
    start_all(wanted_at_boot());
    say("devices", found ? "polled" : "none");
    for (;;) {
        bool busy = false;
        for (unsigned i = 0; i < found; i++) {
            busy |= poll_device(&devices[i]);
            complain(&devices[i]);
        }
        if (!busy)
            nap();
    }
}
