// Word count by hand, for orientation: what this machine can do with two threads.
//
//     words INPUT_FOLDER OUTPUT_FOLDER THREADS
//
// Each thread maps files into memory and counts their words in hash tables of its own, one for
// each partition of the result. Then each thread merges the tables of one partition, sorts it, and
// writes it as text. Words are what stands between bytes up to 0x20. An entry holds the first 16
// bytes of its word, so that only longer words are looked up in the text; a word's place in the
// table is fetched into the cache some words before it is needed. For little-endian processors.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

struct Entry {
    uint64_t head[2];  // the first 16 bytes, zeros after the word's end
    const char* word;
    uint32_t size;
    uint32_t count;  // 0: free

    bool is(const Entry& other) const {
        return head[0] == other.head[0] && head[1] == other.head[1] && size == other.size &&
               (size <= 16 || !memcmp(word + 16, other.word + 16, size - 16));
    }

    bool operator<(const Entry& other) const {
        for (int i = 0; i < 2; ++i)
            if (head[i] != other.head[i])
                return __builtin_bswap64(head[i]) < __builtin_bswap64(other.head[i]);
        if (size <= 16 || other.size <= 16) return size < other.size;
        int order = memcmp(word + 16, other.word + 16, std::min(size, other.size) - 16);
        return order ? order < 0 : size < other.size;
    }

    uint64_t hash() const {
        uint64_t hash = mix(mix(size, head[0]), head[1]);
        for (uint32_t at = 16; at < size; ++at) hash = mix(hash, word[at]);
        return hash;
    }

    static uint64_t mix(uint64_t hash, uint64_t more) {
        hash = (hash ^ more) * 0x9E3779B97F4A7C15u;
        return hash ^ hash >> 32;
    }
};

class Table {
  public:
    Table() : entries_(1 << 16) {}

    void prefetch(uint64_t hash) const { __builtin_prefetch(&entries_[hash & mask()], 1); }

    void add(const Entry& more, uint64_t hash) {
        Entry& entry = find(more, hash);
        if (entry.count) {
            entry.count += more.count;
            return;
        }
        entry = more;
        if (++used_ * 2 > entries_.size()) grow();
    }

    const std::vector<Entry>& entries() const { return entries_; }

    std::vector<Entry> sorted() {
        auto free = [](const Entry& entry) { return entry.count == 0; };
        entries_.erase(std::remove_if(entries_.begin(), entries_.end(), free), entries_.end());
        std::sort(entries_.begin(), entries_.end());
        return std::move(entries_);
    }

  private:
    size_t mask() const { return entries_.size() - 1; }

    Entry& find(const Entry& wanted, uint64_t hash) {
        for (size_t i = hash & mask();; i = (i + 1) & mask())
            if (entries_[i].count == 0 || entries_[i].is(wanted)) return entries_[i];
    }

    void grow() {
        std::vector<Entry> old(entries_.size() * 2);
        old.swap(entries_);
        for (const Entry& entry : old)
            if (entry.count) find(entry, entry.hash()) = entry;
    }

    std::vector<Entry> entries_;
    size_t used_ = 0;
};

// Adds words to the tables of their partitions, each some words after it came.
class Counter {
  public:
    explicit Counter(std::vector<Table>& tables) : tables_(tables) {}

    void add(const Entry& entry) {
        Pending& next = pending_[came_++ % kBehind];
        if (came_ > kBehind) next.table->add(next.entry, next.hash);
        uint64_t hash = entry.hash();
        next = {entry, hash, &tables_[(hash >> 48) % tables_.size()]};
        next.table->prefetch(hash);
    }

    void finish() {
        for (size_t i = came_ > kBehind ? came_ - kBehind : 0; i < came_; ++i) {
            Pending& next = pending_[i % kBehind];
            next.table->add(next.entry, next.hash);
        }
        came_ = 0;
    }

  private:
    struct Pending {
        Entry entry;
        uint64_t hash;
        Table* table;
    };
    static constexpr size_t kBehind = 16;

    std::vector<Table>& tables_;
    Pending pending_[kBehind];
    size_t came_ = 0;
};

struct Text {
    const char* begin;
    const char* end;  // at least 16 readable bytes follow
};

static Text open_text(const fs::path& path) {
    int file = open(path.c_str(), O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) exit((perror(path.c_str()), 1));
    size_t size = status.st_size;
    // One page more than the file has, so that reading a little beyond its end does no harm.
    void* bytes = mmap(nullptr, size + 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_POPULATE;
    if (bytes != MAP_FAILED && size) bytes = mmap(bytes, size, PROT_READ, flags, file, 0);
    if (bytes == MAP_FAILED) exit((perror(path.c_str()), 1));
    close(file);
    return {static_cast<const char*>(bytes), static_cast<const char*>(bytes) + size};
}

static uint64_t load(const char* bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return value;
}

// How many of the eight bytes come before the first that is at most 0x20.
static unsigned until_space(uint64_t bytes) {
    const uint64_t ones = ~0ull / 255;
    uint64_t found = (bytes - ones * 0x21) & ~bytes & (ones << 7);
    return found ? __builtin_ctzll(found) / 8 : 8;
}

static uint64_t first(uint64_t bytes, unsigned n) {
    return n >= 8 ? bytes : bytes & ((1ull << 8 * n) - 1);
}

static void count_words(Text text, std::vector<Table>& tables) {
    Counter counter(tables);
    for (const char* at = text.begin; at < text.end;) {
        const char* word = at;
        uint64_t head[2] = {load(at), load(at + 8)};
        unsigned n = until_space(head[0]), m = 0;
        if (n == 8) m = until_space(head[1]);
        at += n + m;
        if (m == 8)
            while (at < text.end && static_cast<unsigned char>(*at) > 0x20) ++at;
        if (at > text.end) at = text.end;
        if (at > word)
            counter.add({{first(head[0], n), first(head[1], m)}, word, uint32_t(at - word), 1});
        ++at;
    }
    counter.finish();
}

static void write_partition(const std::vector<std::vector<Table>>& tables, size_t number,
                            const fs::path& path) {
    std::vector<Table> merged(1);
    Counter counter(merged);
    for (const auto& of_thread : tables)
        for (const Entry& entry : of_thread[number].entries())
            if (entry.count) counter.add(entry);
    counter.finish();
    FILE* file = fopen(path.c_str(), "wb");
    if (!file) exit((perror(path.c_str()), 1));
    setvbuf(file, nullptr, _IOFBF, 1 << 20);
    for (const Entry& entry : merged[0].sorted()) {
        fwrite_unlocked(entry.word, 1, entry.size, file);
        char digits[16] = "\t";
        char* end = std::to_chars(digits + 1, digits + 15, entry.count).ptr;
        *end++ = '\n';
        fwrite_unlocked(digits, 1, end - digits, file);
    }
    if (fclose(file)) exit((perror(path.c_str()), 1));
}

template <typename Work>
static void in_threads(size_t n, Work work) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < n; ++i) threads.emplace_back(work, i);
    for (auto& thread : threads) thread.join();
}

int main(int argc, char** argv) {
    if (argc != 4) return fprintf(stderr, "usage: words INPUT OUTPUT THREADS\n"), 2;
    std::vector<fs::path> paths;
    for (const auto& file : fs::directory_iterator(argv[1])) paths.push_back(file.path());
    size_t n_threads = std::stoul(argv[3]);
    std::vector<std::vector<Table>> tables(n_threads, std::vector<Table>(n_threads));
    std::atomic<size_t> next{0};
    in_threads(n_threads, [&](size_t thread) {
        for (size_t i; (i = next++) < paths.size();)
            count_words(open_text(paths[i]), tables[thread]);
    });
    fs::create_directory(argv[2]);
    in_threads(n_threads, [&](size_t number) {
        write_partition(tables, number, fs::path(argv[2]) / ("part-" + std::to_string(number)));
    });
}
