#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "check.h"
#include "interrupt.h"

namespace tfhash {
namespace {

constexpr auto kWait = std::chrono::milliseconds(20);  // for others, before another look at Ctrl-C
constexpr int kSpins = 2000;  // a few microseconds: shorter than putting a thread to sleep

int usable_processors() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n > 0 ? static_cast<int>(n) : 1;
}

int initial_num_threads() {
  const char* asked = std::getenv("TFHASH_NUM_THREADS");
  if (asked == nullptr || *asked == '\0') return usable_processors();
  char* end = nullptr;
  const long n = std::strtol(asked, &end, 10);
  if (*end != '\0' || n < 1 || n > 4096) {
    throw std::runtime_error(
        message("TFHASH_NUM_THREADS: Expected a whole number from 1 to 4096. Received: '", asked,
                "'."));
  }
  return static_cast<int>(n);
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count(initial_num_threads());
  return count;
}

}  // namespace

int num_threads() { return thread_count(); }

void set_num_threads(int n) {
  expect(n >= 1 && n <= 4096, "Expected a number of threads from 1 to 4096. Received: ", n, ".");
  thread_count() = n;
}

struct ThreadTeam::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable work_ready, work_done;

  // What is under way. `round` grows by one for each run(); a worker takes part in each once.
  std::atomic<uint64_t> round{0};
  std::atomic<bool> quit{false};
  const std::function<void(int64_t, int)>* body = nullptr;
  int64_t n_blocks = 0;
  std::atomic<int64_t> next{0};
  std::atomic<int> working{0};
  std::atomic<bool> stop{false};
  std::exception_ptr error;

  void fail() {
    std::lock_guard<std::mutex> lock(mutex);
    if (!error) error = std::current_exception();
    stop = true;
  }

  void work(int worker) {
    try {
      for (int64_t block; !stop && (block = next++) < n_blocks;) {
        (*body)(block, worker);
        check_interrupt();
      }
    } catch (...) {
      fail();
    }
  }

  void worker_loop(int worker) {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && round == seen && !quit; ++spin) std::this_thread::yield();
      if (round == seen && !quit) {
        std::unique_lock<std::mutex> lock(mutex);
        work_ready.wait(lock, [&] { return round != seen || quit; });
      }
      if (quit) return;
      seen = round;
      work(worker);
      if (--working == 0) {
        std::lock_guard<std::mutex> lock(mutex);
        work_done.notify_one();
      }
    }
  }

  // The caller's share: the same blocks, and Ctrl-C while the others finish theirs.
  void work_and_watch() {
    work(0);
    for (int spin = 0; spin < kSpins && working != 0; ++spin) std::this_thread::yield();
    while (working != 0) {
      std::unique_lock<std::mutex> lock(mutex);
      if (work_done.wait_for(lock, kWait, [&] { return working == 0; })) break;
      lock.unlock();
      try {
        check_interrupt();
      } catch (...) {
        fail();
      }
    }
  }
};

ThreadTeam::ThreadTeam(int64_t max_useful) : state_(new State) {
  const int64_t size = std::max<int64_t>(1, std::min<int64_t>(num_threads(), max_useful));
  try {
    for (int worker = 1; worker < size; ++worker) {
      state_->workers.emplace_back([state = state_.get(), call = Call::current(), worker] {
        const Call::Work working(call);
        state->worker_loop(worker);
      });
    }
  } catch (const std::system_error&) {
    // No more threads to be had: the ones there are do the work.
  }
}

ThreadTeam::~ThreadTeam() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->quit = true;
  }
  state_->work_ready.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

int ThreadTeam::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadTeam::run(int64_t n_blocks, const std::function<void(int64_t, int)>& body) {
  State& s = *state_;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    s.body = &body;
    s.n_blocks = n_blocks;
    s.next = 0;
    s.stop = false;
    s.error = nullptr;
    s.working = static_cast<int>(s.workers.size());
    ++s.round;
  }
  s.work_ready.notify_all();
  s.work_and_watch();
  if (s.error) std::rethrow_exception(s.error);
}

void parallel_for(int64_t n_blocks, const std::function<void(int64_t, int)>& body) {
  ThreadTeam(n_blocks).run(n_blocks, body);
}

}  // namespace tfhash
