/* Kernels for keys that are strings or binaries, and for splitting text into words.
 *
 * zmr/columns/native.py calls them; where this file was not compiled, what is in numpy does the
 * same. No function keeps a pointer that it is given. A column of n strings has n + 1 offsets, in
 * bytes. What can't be allocated is told as NULL or -1; the table may then have a part of the rows
 * and is of no more use.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "keys are read as little-endian words: numpy does it here"
#endif

#ifndef ZMR_SOURCE /* the CRC-32 of this file, by which native.py knows a library of another state */
#define ZMR_SOURCE 0
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT uint32_t zmr_source(void) { return ZMR_SOURCE; }

/* --- words ----------------------------------------------------------------------------------- */

/* What a byte may be in UTF-8 text: SPACE is white space as in str.split(); LEAD is the first byte
 * of characters some of which are. */
enum { OTHER = 0, SPACE = 1, LEAD = 2 };

static const uint8_t KIND[256] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE,
    [0x1c] = SPACE, [0x1d] = SPACE, [0x1e] = SPACE, [0x1f] = SPACE, [' '] = SPACE,
    [0xc2] = LEAD, [0xe1] = LEAD, [0xe2] = LEAD, [0xe3] = LEAD,
};

/* The size of the white space that begins with a lead byte at `at`; 0 if it is none. */
static int wide_space(const uint8_t *at, const uint8_t *end) {
    if (at[0] == 0xc2)
        return end - at >= 2 && (at[1] == 0x85 || at[1] == 0xa0) ? 2 : 0;
    if (end - at < 3)
        return 0;
    int rest = at[1] << 8 | at[2];
    switch (at[0]) {
    case 0xe1: return rest == 0x9a80 ? 3 : 0;
    case 0xe2: return (rest >= 0x8080 && rest <= 0x808a) || rest == 0x80a8 || rest == 0x80a9 ||
                      rest == 0x80af || rest == 0x819f ? 3 : 0;
    default: return rest == 0x8080 ? 3 : 0;
    }
}

/* The words of n strings of valid UTF-8, one after the other: their number. For strings of `size`
 * bytes, `words` has room for as many, and `ends` for size / 2 + n numbers. */
EXPORT int64_t zmr_split_words(const uint8_t *text, const int64_t *offsets, int64_t n,
                               uint8_t *words, int32_t *ends) {
    const uint8_t *all = text + offsets[n];
    uint8_t *out = words;
    int64_t n_words = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *at = text + offsets[i], *end = text + offsets[i + 1];
        while (at < end) {
            const uint8_t *begin = at;
            int space = 0;
            for (; at < end; at++) {
                uint8_t kind = KIND[*at];
                if (kind == SPACE) {
                    space = 1;
                    break;
                }
                if (kind == LEAD && (space = wide_space(at, end)))
                    break;
            }
            int64_t size = at - begin;
            if (size) {
                /* Most words are short: 16 bytes take one instruction, where there are so many. */
                if (size <= 16 && all - begin >= 16)
                    memcpy(out, begin, 16);
                else
                    memcpy(out, begin, size);
                out += size;
                ends[n_words++] = (int32_t)(out - words);
            }
            at += space;
        }
    }
    return n_words;
}

/* --- a table of keys ------------------------------------------------------------------------- */

typedef struct {
    uint64_t first;  /* bytes 0 to 7, padded with zeros */
    uint64_t second; /* bytes 8 to 15 likewise; of a longer key, its hash */
    uint64_t count;  /* 0: no key */
    uint32_t size;
    uint32_t number;
} Entry;

typedef struct {
    Entry *entries;
    uint64_t mask; /* the number of entries, a power of two, less 1 */
    uint64_t seed;
    uint8_t *bytes; /* of all keys, in the order of their numbers */
    int64_t bytes_room;
    int64_t *ends;
    int64_t ends_room;
    int64_t n;
} Table;

typedef struct {
    uint64_t first, second, hash;
    const uint8_t *at;
    uint32_t size;
} Key;

enum { SHORT = 16, AHEAD = 32 };

static inline uint64_t load(const uint8_t *at, int64_t size, const uint8_t *end) {
    uint64_t word = 0;
    if (end - at >= 8) {
        memcpy(&word, at, 8);
        if (size < 8) word &= size <= 0 ? 0 : ~0ULL >> (64 - 8 * size);
    } else if (size > 0) {
        memcpy(&word, at, size < 8 ? size : 8);
    }
    return word;
}

static inline uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_short(uint64_t first, uint64_t second, uint32_t size, uint64_t seed) {
    return mix(first ^ seed ^ 0x9e3779b97f4a7c15ULL, second ^ mix(size ^ seed, 0xbf58476d1ce4e5b9ULL));
}

static uint64_t hash_long(const uint8_t *at, int64_t size, const uint8_t *end, uint64_t seed) {
    uint64_t hash = seed ^ (uint64_t)size;
    for (; size > 0; at += 16, size -= 16)
        hash = mix(load(at, size, end) ^ hash ^ 0x9e3779b97f4a7c15ULL,
                   (size > 8 ? load(at + 8, size - 8, end) : 0) ^ 0x94d049bb133111ebULL);
    return hash;
}

static inline void look(Key *key, const uint8_t *at, int64_t size, const uint8_t *end, uint64_t seed) {
    key->at = at;
    key->size = (uint32_t)size;
    key->first = load(at, size, end);
    if (size <= SHORT) {
        key->second = size > 8 ? load(at + 8, size - 8, end) : 0;
        key->hash = hash_short(key->first, key->second, key->size, seed);
    } else {
        key->second = key->hash = hash_long(at, size, end, seed);
    }
}

static int grow_entries(Table *table) {
    uint64_t size = 2 * (table->mask + 1), mask = size - 1;
    Entry *entries = calloc(size, sizeof(Entry));
    if (!entries) return -1;
    for (uint64_t i = 0; i <= table->mask; i++) {
        Entry *entry = &table->entries[i];
        if (!entry->count) continue;
        uint64_t at = entry->size <= SHORT
            ? hash_short(entry->first, entry->second, entry->size, table->seed) : entry->second;
        for (at &= mask; entries[at].count; at = (at + 1) & mask) {}
        entries[at] = *entry;
    }
    free(table->entries);
    table->entries = entries;
    table->mask = mask;
    return 0;
}

static int keep_key(Table *table, const Key *key) {
    int64_t end = table->n ? table->ends[table->n - 1] : 0;
    if (table->n == table->ends_room) {
        int64_t *ends = realloc(table->ends, 2 * table->ends_room * sizeof(int64_t));
        if (!ends) return -1;
        table->ends = ends;
        table->ends_room *= 2;
    }
    if (end + key->size > table->bytes_room) {
        int64_t room = 2 * table->bytes_room + key->size;
        uint8_t *bytes = realloc(table->bytes, room);
        if (!bytes) return -1;
        table->bytes = bytes;
        table->bytes_room = room;
    }
    memcpy(table->bytes + end, key->at, key->size);
    table->ends[table->n++] = end + key->size;
    return 0;
}

EXPORT void zmr_table_free(Table *table) {
    if (!table) return;
    free(table->entries);
    free(table->bytes);
    free(table->ends);
    free(table);
}

EXPORT Table *zmr_table_new(uint64_t seed) {
    Table *table = calloc(1, sizeof(Table));
    if (!table) return NULL;
    table->seed = seed;
    table->mask = (1 << 12) - 1;
    table->bytes_room = 1 << 15;
    table->ends_room = 1 << 12;
    table->entries = calloc(table->mask + 1, sizeof(Entry));
    table->bytes = malloc(table->bytes_room);
    table->ends = malloc(table->ends_room * sizeof(int64_t));
    if (!table->entries || !table->bytes || !table->ends) {
        zmr_table_free(table);
        return NULL;
    }
    return table;
}

/* Counts the keys of a column; `numbers`, unless it is NULL, gets the number of each one's key. */
EXPORT int zmr_table_add(Table *table, const uint8_t *data, const int64_t *offsets, int64_t n,
                         uint32_t *numbers) {
    Key keys[AHEAD];
    const uint8_t *end = data + offsets[n];
    for (int64_t row = 0; row < n; row += AHEAD) {
        int some = n - row < AHEAD ? (int)(n - row) : AHEAD;
        /* As many as may be new, at most two thirds full. */
        while (3 * (uint64_t)(table->n + some) > 2 * table->mask)
            if (grow_entries(table)) return -1;
        for (int i = 0; i < some; i++) {
            int64_t begin = offsets[row + i];
            look(&keys[i], data + begin, offsets[row + i + 1] - begin, end, table->seed);
            __builtin_prefetch(&table->entries[keys[i].hash & table->mask], 1);
        }
        for (int i = 0; i < some; i++) {
            const Key *key = &keys[i];
            Entry *entry;
            for (uint64_t at = key->hash & table->mask;; at = (at + 1) & table->mask) {
                entry = &table->entries[at];
                if (!entry->count) {
                    uint32_t number = (uint32_t)table->n;
                    if (keep_key(table, key)) return -1;
                    *entry = (Entry){key->first, key->second, 0, key->size, number};
                    break;
                }
                if (entry->first == key->first && entry->second == key->second &&
                    entry->size == key->size &&
                    (key->size <= SHORT ||
                     !memcmp(table->bytes + table->ends[entry->number] - key->size, key->at, key->size)))
                    break;
            }
            entry->count++;
            if (numbers) numbers[row + i] = entry->number;
        }
    }
    return 0;
}

/* What the table takes of memory. */
EXPORT int64_t zmr_table_memory(const Table *table) {
    return (int64_t)((table->mask + 1) * sizeof(Entry)) + table->bytes_room +
           table->ends_room * (int64_t)sizeof(int64_t);
}

EXPORT int64_t zmr_table_n(const Table *table) { return table->n; }
EXPORT int64_t zmr_table_bytes(const Table *table) { return table->n ? table->ends[table->n - 1] : 0; }

EXPORT void zmr_table_take(const Table *table, int64_t *offsets, uint8_t *bytes, int64_t *counts) {
    offsets[0] = 0;
    memcpy(offsets + 1, table->ends, table->n * sizeof(int64_t));
    memcpy(bytes, table->bytes, zmr_table_bytes(table));
    for (uint64_t i = 0; i <= table->mask; i++)
        if (table->entries[i].count)
            counts[table->entries[i].number] = (int64_t)table->entries[i].count;
}

/* Adds each row's value to the sum of its key, up to a sum beyond 64 bits: how many rows that is. */
EXPORT int64_t zmr_sum(const uint32_t *numbers, const int64_t *values, int64_t n, int64_t *sums) {
    for (int64_t row = 0; row < n; row++)
        if (__builtin_add_overflow(sums[numbers[row]], values[row], &sums[numbers[row]])) {
            sums[numbers[row]] = (int64_t)((uint64_t)sums[numbers[row]] - (uint64_t)values[row]);
            return row;
        }
    return n;
}

/* The rows by the number of their key, in their order: `starts` has where each number's begin. */
EXPORT void zmr_order(const uint32_t *numbers, int64_t n, int64_t *starts, int64_t *order) {
    for (int64_t row = 0; row < n; row++) order[starts[numbers[row]]++] = row;
}

/* --- hashes and order of whole columns -------------------------------------------------------- */

/* As in zmr/columns/hash.py, which says what it is. */
static inline uint64_t mix_word(uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
    return word ^ word >> 31;
}

EXPORT void zmr_hash(const uint8_t *data, const int64_t *offsets, int64_t n, uint64_t *hashes) {
    const uint8_t *end = data + offsets[n];
    for (int64_t row = 0; row < n; row++) {
        const uint8_t *at = data + offsets[row];
        int64_t size = offsets[row + 1] - offsets[row];
        uint64_t total = (uint64_t)size, step = 0;
        for (; size > 0; at += 8, size -= 8)
            total += mix_word(load(at, size, end) + (step += 0x9e3779b97f4a7c15ULL));
        hashes[row] = mix_word(total);
    }
}

typedef struct {
    uint64_t word; /* 8 bytes of the key, such that words compare as the bytes do */
    int64_t row;
} Item;

typedef struct {
    int64_t begin, end, depth; /* items whose keys are alike in so many bytes */
} Run;

typedef struct {
    const uint8_t *data, *end;
    const int64_t *offsets;
    Item *items, *scratch;
    uint8_t *is_start;
    Run *runs; /* that are to be ordered */
    int64_t n_runs, runs_room;
} Sort;

enum { FEW = 24, MANY = 1024, DIGIT_BITS = 11, DIGITS = 6, BUCKETS = 1 << DIGIT_BITS };

static inline int64_t size_of(const Sort *sort, int64_t row) {
    return sort->offsets[row + 1] - sort->offsets[row];
}

/* Compares two keys by what comes after `depth` bytes; of two that are alike the shorter is first. */
static int compare(const Sort *sort, int64_t a, int64_t b, int64_t depth) {
    int64_t size_a = size_of(sort, a), size_b = size_of(sort, b);
    int64_t both = size_a < size_b ? size_a : size_b;
    const uint8_t *at_a = sort->data + sort->offsets[a], *at_b = sort->data + sort->offsets[b];
    int less = both > depth ? memcmp(at_a + depth, at_b + depth, both - depth) : 0;
    return less ? less : (size_a > size_b) - (size_a < size_b);
}

static void order_few(Sort *sort, Run run) {
    Item *items = sort->items + run.begin;
    int64_t n = run.end - run.begin;
    for (int64_t i = 1; i < n; i++) {
        Item item = items[i];
        int64_t at = i;
        for (; at && compare(sort, items[at - 1].row, item.row, run.depth) > 0; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
    for (int64_t i = 1; i < n; i++)
        sort->is_start[run.begin + i] = compare(sort, items[i - 1].row, items[i].row, run.depth) != 0;
}

/* Merges runs of 1, 2, 4, ... items: what there are too few of for tables of digits. */
static void merge_by_word(Item *items, Item *scratch, int64_t n) {
    Item *from = items, *to = scratch;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t begin = 0; begin < n; begin += 2 * width) {
            int64_t middle = begin + width < n ? begin + width : n;
            int64_t end = begin + 2 * width < n ? begin + 2 * width : n;
            for (int64_t i = begin, left = begin, right = middle; i < end; i++)
                to[i] = left < middle && (right >= end || from[left].word <= from[right].word)
                    ? from[left++] : from[right++];
        }
        Item *merged = to;
        to = from;
        from = merged;
    }
    if (from != items) memcpy(items, from, n * sizeof(Item));
}

/* Orders by the words, digit after digit from the last one; equal ones stay in their order. */
static void order_by_word(Sort *sort, Run run) {
    int64_t n = run.end - run.begin;
    Item *from = sort->items + run.begin, *to = sort->scratch + run.begin;
    if (n < MANY) {
        merge_by_word(from, to, n);
        return;
    }
    int64_t counts[DIGITS][BUCKETS] = {{0}};
    for (int64_t i = 0; i < n; i++)
        for (int digit = 0; digit < DIGITS; digit++)
            counts[digit][from[i].word >> digit * DIGIT_BITS & (BUCKETS - 1)]++;
    for (int digit = 0; digit < DIGITS; digit++) {
        int shift = digit * DIGIT_BITS;
        int64_t *places = counts[digit], next = 0;
        if (places[from[0].word >> shift & (BUCKETS - 1)] == n) continue;
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            int64_t count = places[bucket];
            places[bucket] = next;
            next += count;
        }
        for (int64_t i = 0; i < n; i++)
            to[places[from[i].word >> shift & (BUCKETS - 1)]++] = from[i];
        Item *ordered = to;
        to = from;
        from = ordered;
    }
    if (from != sort->items + run.begin)
        memcpy(sort->items + run.begin, from, n * sizeof(Item));
}

static int push(Sort *sort, Run run) {
    if (sort->n_runs == sort->runs_room) {
        int64_t room = 2 * sort->runs_room + 64;
        Run *runs = realloc(sort->runs, room * sizeof(Run));
        if (!runs) return -1;
        sort->runs = runs;
        sort->runs_room = room;
    }
    sort->runs[sort->n_runs++] = run;
    return 0;
}

/* Orders items whose keys are alike up to `depth`; what ties then is to be ordered later. */
static int order_run(Sort *sort, Run run) {
    if (run.end - run.begin <= FEW) {
        order_few(sort, run);
        return 0;
    }
    Item *items = sort->items;
    int goes_on = 0; /* whether a key does */
    for (int64_t i = run.begin; i < run.end; i++) {
        int64_t row = items[i].row, left = size_of(sort, row) - run.depth;
        goes_on |= left > 0;
        items[i].word = left <= 0 ? 0 : __builtin_bswap64(
            load(sort->data + sort->offsets[row] + run.depth, left, sort->end));
    }
    if (!goes_on) /* they differ in zeros at their ends, if at all */
        for (int64_t i = run.begin; i < run.end; i++)
            items[i].word = (uint64_t)size_of(sort, items[i].row);
    order_by_word(sort, run);
    for (int64_t begin = run.begin, end; begin < run.end; begin = end) {
        for (end = begin + 1; end < run.end && items[end].word == items[begin].word; end++) {}
        sort->is_start[begin] |= begin > run.begin;
        if (goes_on && end - begin > 1 && push(sort, (Run){begin, end, run.depth + 8})) return -1;
    }
    return 0;
}

/* A stable order of the keys, and whether each is not the one before. -1: there is no memory. */
EXPORT int zmr_sort(const uint8_t *data, const int64_t *offsets, int64_t n, int64_t *order,
                    uint8_t *is_start) {
    Sort sort = {data, data + offsets[n], offsets, NULL, NULL, is_start, NULL, 0, 0};
    int failed = -1;
    sort.items = malloc((n + 1) * sizeof(Item));
    sort.scratch = malloc((n + 1) * sizeof(Item));
    if (sort.items && sort.scratch) {
        for (int64_t row = 0; row < n; row++) {
            sort.items[row].row = row;
            is_start[row] = row == 0;
        }
        failed = n > 1 && push(&sort, (Run){0, n, 0}) ? -1 : 0;
        while (!failed && sort.n_runs) failed = order_run(&sort, sort.runs[--sort.n_runs]);
        for (int64_t i = 0; !failed && i < n; i++) order[i] = sort.items[i].row;
    }
    free(sort.items);
    free(sort.scratch);
    free(sort.runs);
    return failed;
}
