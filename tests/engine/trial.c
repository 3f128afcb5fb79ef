/* frame.c and ring.c on this machine, for tests to lie to.

   `trial frames` reads frames, each after its length (32 bits, native), and writes a struct record for each.
   `trial ring INDEX ID LENGTH` is a device that says that INDEX chains were used, the first of them ID with LENGTH octets
   written, where 0 to 3 were handed out with room for 100 each; it prints how many were taken and what is wrong. */
#include "frame.h"
#include "ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 65536
#define SIZE 8

static int frames(void)
{
    uint32_t length;

    while (fread(&length, sizeof length, 1, stdin) == 1) {
        /* As large as the frame, so that a look beyond it is seen. */
        uint8_t *frame = length <= LARGEST ? malloc(length + !length) : NULL;
        struct record record = {0};
        if (!frame || fread(frame, 1, length, stdin) != length)
            return 1;
        judge_frame(frame, length, &record);
        fwrite(&record, sizeof record, 1, stdout);
        free(frame);
    }
    return 0;
}

static int lies(const char *index, const char *id, const char *length)
{
    struct vring_desc descriptors[SIZE] = {0};
    struct vring_avail *available = calloc(1, sizeof *available + SIZE * sizeof(uint16_t));
    struct vring_used *used = calloc(1, sizeof *used + SIZE * sizeof(struct vring_used_elem));
    struct ring ring = {.size = SIZE, .descriptors = descriptors, .available = available, .used = used};
    struct used_chain chain;
    int taken = 0;

    if (!available || !used)
        return 1;
    for (uint16_t head = 0; head < 4; head++)
        ring_post(&ring, head, 100);
    used->idx = (uint16_t)strtoul(index, NULL, 10);
    used->ring[0].id = (uint32_t)strtoul(id, NULL, 10);
    used->ring[0].len = (uint32_t)strtoul(length, NULL, 10);
    while (ring_take(&ring, &chain))
        taken++;
    printf("%d %s\n", taken, ring.trouble ? ring.trouble : "");
    free(available);
    free(used);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && !strcmp(arguments[1], "frames"))
        return frames();
    return count == 5 ? lies(arguments[2], arguments[3], arguments[4]) : 2;
}
