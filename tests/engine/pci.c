/* Finds and maps virtio devices by sysfs, and finds out where memory is by pagemap: all that takes a kernel module otherwise. */
#include "pci.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_PAGE 4096UL
#define CONFIG_SIZE 256
#define BARS 6

static int open_attribute(const char *slot, const char *name, int flags)
{
    char path[128];

    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", slot, name);
    return open(path, flags | O_CLOEXEC);
}

static bool write_file(int file, const char *text)
{
    bool done = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);

    if (file >= 0)
        close(file);
    return done;
}

static bool read_config(const char *slot, uint8_t *config)
{
    int file = open_attribute(slot, "config", O_RDONLY);
    bool done = file >= 0 && pread(file, config, CONFIG_SIZE, 0) == CONFIG_SIZE;

    if (file >= 0)
        close(file);
    return done;
}

static uint16_t word(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t long_word(const uint8_t *at)
{
    return word(at) | (uint32_t)word(at + 2) << 16;
}

/* Virtio 1.2, 4.1.2: 0x1040 plus the device's type 1, or the transitional 0x1000. */
bool pci_is_network(const char *slot)
{
    uint8_t config[CONFIG_SIZE];

    if (!read_config(slot, config) || word(config + PCI_VENDOR_ID) != 0x1AF4)
        return false;
    return word(config + PCI_DEVICE_ID) == 0x1041 || word(config + PCI_DEVICE_ID) == 0x1000;
}

/* Memory and bus mastering on, its interrupt off: nobody handles it, the rings are polled. */
static bool switch_on(const char *slot, const uint8_t *config)
{
    uint16_t command = word(config + PCI_COMMAND);
    int file;
    bool done;

    /* The kernel's own way first: it also switches on the bridges above. */
    if (!write_file(open_attribute(slot, "enable", O_WRONLY), "1"))
        return false;
    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
    file = open_attribute(slot, "config", O_RDWR);
    done = file >= 0 && pwrite(file, &command, sizeof command, PCI_COMMAND) == sizeof command;
    if (file >= 0)
        close(file);
    return done;
}

/* Maps what a capability of virtio's points to; NULL where it points outside its BAR. */
static volatile uint8_t *mapped(const char *slot, uint8_t bar, uint32_t offset, uint32_t length)
{
    char name[16];
    struct stat about;
    uint8_t *at = MAP_FAILED;

    if (bar >= BARS || !length)
        return NULL;
    snprintf(name, sizeof name, "resource%u", bar);
    int file = open_attribute(slot, name, O_RDWR);
    if (file < 0)
        return NULL;
    if (!fstat(file, &about) && (uint64_t)offset + length <= (uint64_t)about.st_size)
        at = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return at == MAP_FAILED ? NULL : at + offset;
}

/* One vendor capability (virtio 1.2, 4.1.4); of each type the first that can be mapped counts. */
static void use_capability(const char *slot, const uint8_t *capability, struct pci_device *device)
{
    uint8_t type = capability[3], bar = capability[4];
    uint32_t offset = long_word(capability + 8), length = long_word(capability + 12);

    if (type == VIRTIO_PCI_CAP_COMMON_CFG && !device->common && length >= sizeof *device->common) {
        device->common = (volatile struct virtio_pci_common_cfg *)mapped(slot, bar, offset, length);
    } else if (type == VIRTIO_PCI_CAP_NOTIFY_CFG && !device->notify) {
        device->notify = mapped(slot, bar, offset, length);
        device->notify_length = length;
        device->multiplier = long_word(capability + 16);
    } else if (type == VIRTIO_PCI_CAP_DEVICE_CFG && !device->config) {
        device->config = mapped(slot, bar, offset, length);
        device->config_length = length;
    }
}

/* The list of capabilities, which may be cut or lead in a circle. */
static void use_capabilities(const char *slot, const uint8_t *config, struct pci_device *device)
{
    uint8_t at = config[PCI_CAPABILITY_LIST];

    for (int left = CONFIG_SIZE / 4; left && at >= 0x40 && at <= CONFIG_SIZE - 20; left--) {
        if (config[at] == PCI_CAP_ID_VNDR)
            use_capability(slot, config + at, device);
        at = config[at + 1];
    }
}

void pci_open(const char *slot, struct pci_device *device)
{
    uint8_t config[CONFIG_SIZE];

    if (!read_config(slot, config) || !switch_on(slot, config)) {
        device->trouble = "not switched on";
        return;
    }
    use_capabilities(slot, config, device);
    if (!device->common || !device->notify || !device->config)
        device->trouble = "no modern virtio capabilities";
}

/* :return: why not, or NULL. */
const char *dma_reserve(unsigned pages)
{
    char number[16];

    snprintf(number, sizeof number, "%u", pages);
    if (!write_file(open("/proc/sys/vm/nr_hugepages", O_WRONLY | O_CLOEXEC), number))
        return "no huge pages";
    return NULL;
}

/* Where a small page is (Documentation/admin-guide/mm/pagemap.rst); 0 where it is nowhere. */
static uint64_t physical(const uint8_t *at)
{
    uint64_t entry = 0;
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return 0;
    if (pread(file, &entry, sizeof entry, (off_t)((uintptr_t)at / SMALL_PAGE * sizeof entry)) != sizeof entry)
        entry = 0;
    close(file);
    return entry >> 63 ? (entry & ((1ULL << 55) - 1)) * SMALL_PAGE : 0;
}

/* :return: why not, or NULL. */
const char *dma_page(struct dma_page *page)
{
    page->at = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (page->at == MAP_FAILED)
        return "too few huge pages";
    page->physical = physical(page->at);
    if (!page->physical || physical(page->at + HUGE_PAGE - SMALL_PAGE) != page->physical + HUGE_PAGE - SMALL_PAGE)
        return "memory is not where it should be";
    return NULL;
}
