// Blocks of work over a team of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tfhash {

// How many threads a kernel may use: TFHASH_NUM_THREADS, else the processors this process may
// run on. set_num_threads throws std::invalid_argument for n < 1.
int num_threads();
void set_num_threads(int n);

// Threads that live as long as one kernel call and work for it (see interrupt.h). Between two
// calls of run() they spin briefly and then sleep, so that an iteration of many short steps does
// not pay for starting threads.
class ThreadTeam {
 public:
  // At most num_threads() threads, the caller being one of them; no more than max_useful.
  explicit ThreadTeam(int64_t max_useful);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const;

  // Calls body(block, worker) once for each block in [0, n_blocks), worker in [0, size()).
  // Blocks go to whoever is free, so a result must not depend on the worker. The first exception
  // of any worker stops the rest and is rethrown here. check_interrupt() runs between blocks; a
  // block that may take longer than some 20 ms calls it within.
  void run(int64_t n_blocks, const std::function<void(int64_t, int)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One run() on a team of its own.
void parallel_for(int64_t n_blocks, const std::function<void(int64_t, int)>& body);

}  // namespace tfhash
