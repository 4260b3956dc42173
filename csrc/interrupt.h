// How a kernel is stopped from outside (Ctrl-C), whatever it is doing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>

namespace tfhash {

// Thrown through a kernel to end it. The reason is known to whoever made the Call.
struct Interrupted {};

// One call of a kernel, from the thread that makes it. It lasts as long as the object.
//
// `may_go_on` is asked on that thread alone, at most every 20 ms. Once it has said no,
// check_interrupt() throws on every thread that works for the call.
class Call {
 public:
  explicit Call(std::function<bool()> may_go_on);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // The call that this thread works for, or null.
  static Call* current();

  // Makes this thread one that works for `call`, which may be null, until the end of the scope.
  class Work {
   public:
    explicit Work(Call* call);
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    Call* before_;
  };

 private:
  friend void check_interrupt();
  void ask();

  const std::function<bool()> may_go_on_;
  std::chrono::steady_clock::time_point last_;
  std::atomic<bool> stopped_{false};
  Call* const before_;      // calls nest: what is asked may call a kernel
  const bool asked_before_;
};

// Throws Interrupted where the call that this thread works for is to end. To be called at least
// every few milliseconds of work, between blocks and within long ones; it costs tens of
// nanoseconds.
void check_interrupt();

// check_interrupt() now and then in a loop of short steps, of about `work` nanoseconds each.
class CheckNowAndThen {
 public:
  explicit CheckNowAndThen(int64_t work = 8) : work_(work) {}

  void operator()() {
    done_ += work_;
    if (done_ < (int64_t(1) << 15)) return;
    done_ = 0;
    check_interrupt();
  }

 private:
  const int64_t work_;
  int64_t done_ = 0;
};

// As std::sort, of numbers however many; `less` is a strict weak ordering.
template <class Iterator, class Less>
void sort_checking(Iterator first, Iterator last, Less less) {
  CheckNowAndThen check;
  std::sort(first, last, [&](const auto& a, const auto& b) {
    check();
    return less(a, b);
  });
}

}  // namespace tfhash
