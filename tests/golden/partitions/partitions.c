/* Tells to which partitions librdkafka sends the keys on its input: see ../README.md. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t choose_t(const rd_kafka_topic_t *, const void *, size_t, int32_t, void *, void *);

static const struct {
    const char *name;
    choose_t *choose;
} partitioners[] = {
    {"murmur2", rd_kafka_msg_partitioner_murmur2},
    {"murmur2_random", rd_kafka_msg_partitioner_murmur2_random},
    {"fnv1a", rd_kafka_msg_partitioner_fnv1a},
    {"fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random},
    {"consistent", rd_kafka_msg_partitioner_consistent},
    {"consistent_random", rd_kafka_msg_partitioner_consistent_random},
};

static const int counts[] = {1, 2, 3, 6, 7, 100};

/* The key that a line names: null, or hexadecimal digits, perhaps repeated. */
static unsigned char *parse(const char *text, size_t *length) {
    *length = 0;
    if (!strcmp(text, "null"))
        return NULL;
    size_t digits = strcspn(text, "*");
    int times = text[digits] ? atoi(text + digits + 1) : 1;
    unsigned char *key = malloc(digits / 2 * times + 1);
    for (int n = 0; n < times; n++) {
        for (size_t at = 0; at < digits; at += 2) {
            unsigned byte;
            sscanf(text + at, "%2x", &byte);
            key[(*length)++] = byte;
        }
    }
    return key;
}

int main(void) {
    char error[512], line[16384];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, error, sizeof error);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, "t", NULL);
    while (fgets(line, sizeof line, stdin)) {
        size_t length;
        line[strcspn(line, "\n")] = 0;
        unsigned char *key = parse(line, &length);
        for (size_t n = 0; n < sizeof partitioners / sizeof *partitioners; n++) {
            choose_t *choose = partitioners[n].choose;
            int first = choose(topic, key, length, 100, NULL, NULL), varies = 0;
            for (int again = 0; again < 64; again++)
                varies |= choose(topic, key, length, 100, NULL, NULL) != first;
            printf("librdkafka %s %s", partitioners[n].name, line);
            for (size_t at = 0; at < sizeof counts / sizeof *counts; at++) {
                if (varies)
                    printf(" any");
                else
                    printf(" %d", choose(topic, key, length, counts[at], NULL, NULL));
            }
            putchar('\n');
        }
        free(key);
    }
    return 0;
}
