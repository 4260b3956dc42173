// Error messages for bad input: what was expected, what was received.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace tfhash {

// The parts, streamed one after the other into one string.
template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Throws std::invalid_argument (ValueError in Python) unless the condition holds.
template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  if (!condition) throw std::invalid_argument(message(parts...));
}

}  // namespace tfhash
