// How far a kernel has come, told to whoever waits for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

#include "parallel.h"

namespace tfhash {

// Called now and then, on the thread that called the kernel: the share done, from 0 to 1, and what
// is being done. May be empty.
using Progress = std::function<void(double, const std::string&)>;

inline void report(const Progress& progress, double share, const std::string& note = {}) {
  if (progress) progress(share, note);
}

// As team.run(), in up to 64 parts, with a report after each.
template <class Body>
void run_reporting(ThreadTeam& team, int64_t n_blocks, const Progress& progress, const Body& body) {
  const int64_t smallest = 8 * int64_t(team.size());
  const int64_t part = progress ? std::max(smallest, (n_blocks + 63) / 64) : n_blocks;
  for (int64_t first = 0; first < n_blocks; first += part) {
    team.run(std::min(part, n_blocks - first),
             [&](int64_t block, int worker) { body(first + block, worker); });
    report(progress, double(std::min(n_blocks, first + part)) / double(n_blocks));
  }
}

}  // namespace tfhash
