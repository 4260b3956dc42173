// Arrays that start on a cache line: a vector load that straddles two lines costs two.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace tfhash {

// A zeroed array of plain numbers, 64-byte aligned.
template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(int64_t size) : size_(size) {
    if (size == 0) return;
    data_ = static_cast<T*>(::operator new(size_t(size) * sizeof(T), kAlignment));
    std::memset(data_, 0, size_t(size) * sizeof(T));
  }
  ~Aligned() {
    if (data_ != nullptr) ::operator delete(data_, kAlignment);
  }
  Aligned(Aligned&& other) noexcept { swap(other); }
  Aligned& operator=(Aligned&& other) noexcept {
    swap(other);
    return *this;
  }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr std::align_val_t kAlignment{64};

  void swap(Aligned& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace tfhash
