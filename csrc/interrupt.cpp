#include "interrupt.h"

namespace tfhash {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::milliseconds(20);

thread_local Call* current_call = nullptr;
thread_local bool asks = false;  // whether this thread made the call

}  // namespace

Call::Call(std::function<bool()> may_go_on)
    : may_go_on_(std::move(may_go_on)),
      last_(Clock::now()),
      before_(current_call),
      asked_before_(asks) {
  current_call = this;
  asks = true;
}

Call::~Call() {
  current_call = before_;
  asks = asked_before_;
}

Call* Call::current() { return current_call; }

Call::Work::Work(Call* call) : before_(current_call) { current_call = call; }

Call::Work::~Work() { current_call = before_; }

void Call::ask() {
  const auto now = Clock::now();
  if (now - last_ < kInterval) return;
  if (!may_go_on_()) {
    stopped_ = true;
    throw Interrupted();
  }
  last_ = Clock::now();
}

void check_interrupt() {
  Call* const call = current_call;
  if (call == nullptr) return;
  if (call->stopped_.load(std::memory_order_relaxed)) throw Interrupted();
  if (asks) call->ask();
}

}  // namespace tfhash
