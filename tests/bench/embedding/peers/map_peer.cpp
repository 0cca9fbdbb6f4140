// A native hash map as a contender: the same keys, rows and batches, driven line by line over
// standard input, so that all contenders take turns in one run. Compiled once a map, with
// -DPEER_<NAME>.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <ctime>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#if defined(PEER_LIBCUCKOO)
#include <libcuckoo/cuckoohash_map.hh>
#elif defined(PEER_PHMAP)
#include <parallel_hashmap/phmap.h>
#elif defined(PEER_ABSL)
#include <absl/container/flat_hash_map.h>
#endif

using Nanoseconds = double;

// Core time of this thread: time for which other work had the core does not count.
static Nanoseconds now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

#if defined(PEER_LIBCUCKOO)
template <class Row> struct Map {
  libcuckoo::cuckoohash_map<uint64_t, Row> map;
  void insert(uint64_t id, const Row& row) { map.insert(id, row); }
  template <class Use> bool with(uint64_t id, Use use) { return map.update_fn(id, use); }
  template <class Use> bool read(uint64_t id, Use use) const { return map.find_fn(id, use); }
  size_t size() const { return map.size(); }
};
#else
template <class Row> struct Map {
#if defined(PEER_PHMAP)
  phmap::flat_hash_map<uint64_t, Row> map;
#else
  absl::flat_hash_map<uint64_t, Row> map;
#endif
  void insert(uint64_t id, const Row& row) { map.try_emplace(id, row); }
  template <class Use> bool with(uint64_t id, Use use) {
    auto it = map.find(id);
    if (it == map.end()) return false;
    use(it->second);
    return true;
  }
  template <class Use> bool read(uint64_t id, Use use) const {
    auto it = map.find(id);
    if (it == map.end()) return false;
    use(it->second);
    return true;
  }
  size_t size() const { return map.size(); }
};
#endif

template <class T> static std::vector<T> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) { std::fprintf(stderr, "cannot read %s\n", path.c_str()); std::exit(2); }
  std::vector<T> words(static_cast<size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(words.data()), words.size() * sizeof(T));
  return words;
}

// The weight that every contender gives to (id, column).
static float weight_of(uint64_t id, uint32_t column) {
  return static_cast<float>((static_cast<uint32_t>(id) ^ (column * 0x9E3779B1u)) >> 8) * 0x1p-24f;
}

struct Peer {
  virtual ~Peer() = default;
  virtual std::vector<Nanoseconds> insert(const std::vector<uint64_t>& keys, size_t batch) = 0;
  virtual Nanoseconds lookup(const std::vector<uint64_t>& ids, size_t start, size_t count, size_t batch) = 0;
  virtual Nanoseconds update(const std::vector<uint64_t>& ids, const std::vector<uint32_t>& lengths,
                             size_t start, size_t count, const std::vector<float>& gradients) = 0;
  virtual Nanoseconds dedupe(const std::vector<uint64_t>& ids, size_t start, size_t count, size_t batch,
                             const std::vector<float>& gradients) = 0;
  virtual double sum(const std::vector<uint64_t>& ids, size_t count) = 0;
};

// STATE floats of optimizer state lie behind the weights: 0, or DIM Adagrad accumulators starting at 1.
template <int DIM, int STATE> struct MapPeer : Peer {
  using Row = std::array<float, DIM + STATE>;
  std::unique_ptr<Map<Row>> map = std::make_unique<Map<Row>>();
  std::vector<float> out;

  // A time for each batch.
  std::vector<Nanoseconds> insert(const std::vector<uint64_t>& keys, size_t batch) override {
    map.reset();
    map = std::make_unique<Map<Row>>();
    std::vector<Row> rows(batch);
    std::vector<Nanoseconds> spent;
    for (size_t start = 0; start < keys.size(); start += batch) {
      const size_t n = std::min(batch, keys.size() - start);
      for (size_t i = 0; i < n; i++) {
        for (int d = 0; d < DIM; d++) rows[i][d] = weight_of(keys[start + i], d);
        for (int d = DIM; d < DIM + STATE; d++) rows[i][d] = 1.0f;
      }
      const auto begun = now();
      for (size_t i = 0; i < n; i++) map->insert(keys[start + i], rows[i]);
      spent.push_back(now() - begun);
    }
    if (map->size() != keys.size()) std::exit(3);
    return spent;
  }

  Nanoseconds lookup(const std::vector<uint64_t>& ids, size_t start, size_t count, size_t batch) override {
    out.resize(batch * DIM);
    size_t found = 0;
    const auto begun = now();
    for (size_t at = start; at < start + count; at += batch) {
      for (size_t i = 0; i < batch; i++) {
        float* to = out.data() + i * DIM;
        found += map->read(ids[at + i], [to](const Row& row) { std::memcpy(to, row.data(), DIM * 4); });
      }
    }
    const auto spent = now() - begun;
    if (found != count) std::exit(4);
    return spent;
  }

  static void learn(Row& row, const float* gradient) {
    for (int d = 0; d < DIM; d++) {
      row[DIM % (DIM + STATE) + d] += gradient[d] * gradient[d];
      row[d] -= 0.01f * gradient[d] / std::sqrt(row[DIM % (DIM + STATE) + d]);
    }
  }

  Nanoseconds update(const std::vector<uint64_t>& ids, const std::vector<uint32_t>& lengths, size_t start,
                     size_t count, const std::vector<float>& gradients) override {
    size_t at = 0, found = 0, expected = 0;
    for (size_t b = 0; b < start; b++) at += lengths[b];
    const auto begun = now();
    for (size_t b = start; b < start + count; b++) {
      for (size_t i = 0; i < lengths[b]; i++) {
        const float* gradient = gradients.data() + i * DIM;
        found += map->with(ids[at + i], [gradient](Row& row) { learn(row, gradient); });
      }
      at += lengths[b];
      expected += lengths[b];
    }
    const auto spent = now() - begun;
    if (found != expected) std::exit(5);
    return spent;
  }

  // One batch of a trainer: sum the gradients of equal ids, then apply one step an id.
  Nanoseconds dedupe(const std::vector<uint64_t>& ids, size_t start, size_t count, size_t batch,
                     const std::vector<float>& gradients) override {
    std::vector<float> sums;
    std::vector<uint64_t> distinct;
    const auto begun = now();
    for (size_t at = start; at < start + count; at += batch) {
#if defined(PEER_PHMAP)
      phmap::flat_hash_map<uint64_t, uint32_t> index;
#elif defined(PEER_ABSL)
      absl::flat_hash_map<uint64_t, uint32_t> index;
#else
      std::unordered_map<uint64_t, uint32_t> index;
#endif
      index.reserve(batch);
      distinct.clear();
      sums.clear();
      for (size_t i = 0; i < batch; i++) {
        auto [it, fresh] = index.try_emplace(ids[at + i], static_cast<uint32_t>(distinct.size()));
        if (fresh) {
          distinct.push_back(ids[at + i]);
          sums.resize(sums.size() + DIM);
        }
        float* sum = sums.data() + it->second * DIM;
        for (int d = 0; d < DIM; d++) sum[d] += gradients[i * DIM + d];
      }
      for (size_t i = 0; i < distinct.size(); i++) {
        const float* gradient = sums.data() + i * DIM;
        map->with(distinct[i], [gradient](Row& row) { learn(row, gradient); });
      }
    }
    return now() - begun;
  }

  double sum(const std::vector<uint64_t>& ids, size_t count) override {
    double total = 0;
    for (size_t i = 0; i < count; i++) {
      map->read(ids[i], [&](const Row& row) { for (int d = 0; d < DIM; d++) total += row[d]; });
    }
    return total;
  }
};

static std::unique_ptr<Peer> make_peer(int dim, bool state) {
  switch (dim) {
    case 8: return state ? std::unique_ptr<Peer>(new MapPeer<8, 8>) : std::unique_ptr<Peer>(new MapPeer<8, 0>);
    case 16: return state ? std::unique_ptr<Peer>(new MapPeer<16, 16>) : std::unique_ptr<Peer>(new MapPeer<16, 0>);
    case 64: return state ? std::unique_ptr<Peer>(new MapPeer<64, 64>) : std::unique_ptr<Peer>(new MapPeer<64, 0>);
    default: std::fprintf(stderr, "no peer of dim %d\n", dim); std::exit(2);
  }
}

int main(int, char** arguments) {
  const std::string folder = arguments[1];
  const auto keys = read_file<uint64_t>(folder + "/keys");
  const auto gradients = read_file<float>(folder + "/gradients");
  std::unordered_map<std::string, std::vector<uint64_t>> ids;
  std::unordered_map<std::string, std::vector<uint32_t>> lengths;
  auto ids_of = [&](const std::string& name) -> const std::vector<uint64_t>& {
    if (!ids.count(name)) ids[name] = read_file<uint64_t>(folder + "/" + name);
    return ids[name];
  };
  auto lengths_of = [&](const std::string& name) -> const std::vector<uint32_t>& {
    if (!lengths.count(name)) lengths[name] = read_file<uint32_t>(folder + "/" + name + ".lengths");
    return lengths[name];
  };
  std::unique_ptr<Peer> peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command, name;
    words >> command;
    double answer = 0;
    if (command == "create") {
      int dim, state;
      words >> dim >> state;
      peer.reset();
      peer = make_peer(dim, state != 0);
    } else if (command == "insert") {
      size_t batch;
      words >> batch;
      const auto spent = peer->insert(keys, batch);
      for (size_t i = 0; i + 1 < spent.size(); i++) std::printf("%.17g ", spent[i]);
      answer = spent.back();
    } else if (command == "load") {
      words >> name;
      answer = static_cast<double>(ids_of(name).size());
      std::ifstream probe(folder + "/" + name + ".lengths");
      if (probe) lengths_of(name);
    } else if (command == "lookup") {
      size_t start, count, batch;
      words >> name >> start >> count >> batch;
      answer = peer->lookup(ids_of(name), start, count, batch);
    } else if (command == "update") {
      size_t start, count;
      words >> name >> start >> count;
      answer = peer->update(ids_of(name), lengths_of(name), start, count, gradients);
    } else if (command == "dedupe") {
      size_t start, count, batch;
      words >> name >> start >> count >> batch;
      answer = peer->dedupe(ids_of(name), start, count, batch, gradients);
    } else if (command == "sum") {
      size_t count;
      words >> name >> count;
      answer = peer->sum(ids_of(name), count);
    } else {
      return 1;
    }
    std::printf("%.17g\n", answer);
    std::fflush(stdout);
  }
}
